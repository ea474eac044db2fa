"""Explain shows what the service itself would make of an entry."""

import json
from contextlib import suppress

import pytest
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from telemetry.explain import Explainer, Unreadable, messages_of
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.pipeline import Wanted
from telemetry.processors.contexts import Contexts
from tests.rows import NOW_NS
from tests.wire import connection, inbound, message, node

ISTIO_LOG = {
    "start_time": "2026-11-21T09:00:00.123Z", "method": "GET", "path": "/reviews?id=1", "protocol": "HTTP/1.1",
    "response_code": 503, "response_flags": "UF,URX", "response_code_details": "upstream_reset_before_response_started",
    "bytes_received": 0, "bytes_sent": 91, "duration": 12, "user_agent": "curl/8", "request_id": "r-1",
    "authority": "reviews:9080", "upstream_host": "10.0.0.2:9080", "route_name": "default",
    "upstream_cluster": "outbound|9080||reviews.shop.svc.cluster.local",
    "downstream_remote_address": "10.0.0.1:40000", "downstream_local_address": "10.96.0.7:9080",
}  # fmt: skip
TEXT_LOG = (
    '[2026-11-21T09:00:00.123Z] "POST /cart HTTP/2" 200 - 15 340 7 6 "-" "grpc-go/1.6" "r-2" "cart:80" "10.0.0.9:80"'
)


@pytest.fixture
def explainer() -> Explainer:
    addresses = Addresses()
    return Explainer(Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1), Wanted())


def attributes(explainer: Explainer, text: bytes) -> list[dict]:
    explanation = explainer.explain(list(messages_of(text)), NOW_NS)
    assert explanation.rejected == {}
    return [{one.name: one for one in entry.attributes} for entry in explanation.entries]


def as_json(raw: bytes) -> dict:
    return MessageToDict(StreamAccessLogsMessage.FromString(raw))


def test_a_stream_message_in_protobufs_json_form_is_explained(explainer):
    [entry] = attributes(explainer, json.dumps(as_json(message(inbound(503), sender=node()))).encode())
    assert entry["destination.workload.name"].value == "reviews-v1"
    assert entry["destination.workload.name"].origin.endswith("here: node")
    assert entry["response.code"].value == 503
    assert entry["response.code"].made_of == {"response_code": 503}


def test_a_single_entry_is_explained_without_its_envoy(explainer):
    http = as_json(message(inbound()))["httpLogs"]["logEntry"][0]
    tcp = as_json(message(connection(3)))["tcpLogs"]["logEntry"][0] | {"connectionProperties": {"receivedBytes": "5"}}
    [first] = attributes(explainer, json.dumps(http).encode())
    [second] = attributes(explainer, json.dumps(tcp).encode())
    assert (first["context.protocol"].value, second["context.protocol"].value) == ("http", "tcp")


def test_an_object_of_istios_file_log_is_explained(explainer):
    [entry] = attributes(explainer, json.dumps(ISTIO_LOG).encode())
    assert entry["destination.service.name"].value == "reviews"
    assert entry["context.proxy_error_code"].value == "UF,URX"
    assert entry["request.url_path"].value == "/reviews"
    assert entry["request.counts"].value is True
    assert entry["response.duration"].value.total_seconds() == 0.012


def test_a_line_of_envoys_text_log_is_explained(explainer):
    [entry] = attributes(explainer, TEXT_LOG.encode())
    assert (entry["request.method"].value, entry["response.code"].value) == ("POST", 200)
    assert entry["context.proxy_error_code"].value == "-"


def test_several_come_as_an_array_or_line_by_line(explainer):
    lines = json.dumps(ISTIO_LOG) + "\n\n" + TEXT_LOG + "\n"
    assert len(attributes(explainer, lines.encode())) == 2
    assert len(attributes(explainer, json.dumps([ISTIO_LOG, ISTIO_LOG]).encode())) == 2


def test_nothing_unknown_is_shown(explainer):
    [entry] = attributes(explainer, TEXT_LOG.encode())
    assert all(one.value is not None for one in entry.values())


@pytest.mark.parametrize(
    "text", [b"hello", b"7", b'{"a": 1}', b'{"commonProperties": 3}', b'[{"commonProperties": {}}, 4]']
)
def test_what_is_no_entry_is_refused_with_its_line(text):
    with pytest.raises(Unreadable, match="line 1: "):
        list(messages_of(text))


KEYS = st.sampled_from(["commonProperties", "httpLogs", "logEntry", "response_code", "duration", "start_time"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_input_raises_anything_else(text):
    with suppress(Unreadable):
        assert all(isinstance(one, bytes) for one in messages_of(text))
