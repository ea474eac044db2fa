"""Decoded entries become the vocabulary's attributes, whatever Envoy they came from."""

from typing import Any

import polars as pl
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.struct_pb2 import Struct

from telemetry import native
from telemetry.batch import SCHEMAS, Batch, Template, fault_of
from telemetry.columns import split
from telemetry.config import AccessLogSettings
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.mesh.workload import Workload
from telemetry.node import ANONYMOUS, Node, node_of
from telemetry.processors.contexts import Contexts
from telemetry.processors.endings import Outcome
from telemetry.processors.normalise import Normalise
from tests.rows import NOW_NS
from tests.wire import REVIEWS_HOST, address, connection, inbound, message, node, outbound, request

LOGS = AccessLogSettings()
HEADERS = {
    "request_headers": list(LOGS.request_headers),
    "response_headers": list(LOGS.response_headers),
    "response_trailers": list(LOGS.response_trailers),
    "filter_state": ["downstream_peer", "upstream_peer"],
}
REVIEWS = node("reviews-v1", "10.0.0.2", app="reviews")
PRODUCTPAGE = node("productpage-v1", "10.0.0.1", app="productpage")


class Bench:
    """A normaliser that knows the two sidecars above."""

    def __init__(self, limit: int = 1000) -> None:
        addresses = Addresses()
        self.resolver = Resolver(addresses, "Kubernetes")
        peers = [("downstream_peer", "filter_state.downstream_peer"), ("upstream_peer", "filter_state.upstream_peer")]
        self.contexts = Contexts(self.resolver, addresses, seed=1, limit=limit, peers=peers)
        for sender in (REVIEWS, PRODUCTPAGE):
            self.resolver.learn(self.node(sender))

    @staticmethod
    def node(sender) -> Node:
        identifier, _ = native.inspect(message(sender=sender))
        return node_of(identifier)

    def frame(self, *entries, sender=REVIEWS, wanted=None) -> pl.DataFrame:
        decoded = native.decode_access_logs([message(*entries)], [0], **(HEADERS if wanted is None else wanted))
        assert decoded.rejected == {}
        one = self.node(sender) if sender is not None else ANONYMOUS
        frame = Normalise(self.contexts).rows(split(decoded.rows), [one], NOW_NS)
        assert fault_of(Batch(Template.LOGENTRY, frame, "t", 1, 1)) is None
        assert len(frame) == len(entries)
        return frame

    def row(self, entry, **options) -> dict[str, Any]:
        return self.frame(entry, **options).row(0, named=True)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_headers(entry, headers: dict[str, str] = {}, trailers: dict[str, str] = {}, response: dict[str, str] = {}):  # noqa: B006
    entry.request.request_headers.update(headers)
    entry.response.response_trailers.update(trailers)
    entry.response.response_headers.update(response)
    return entry


def test_an_inbound_request_names_both_ends_the_service_and_the_side(bench):
    row = bench.row(inbound())
    assert row["context.reporter.kind"] == "inbound"
    assert (row["source.workload.name"], row["source.workload.namespace"]) == ("productpage-v1", "shop")
    assert (row["destination.workload.name"], row["destination.canonical.service"]) == ("reviews-v1", "reviews")
    assert row["destination.service.host"] == REVIEWS_HOST
    assert (row["source.ip"], row["source.port"]) == ("10.0.0.1", 40000)
    assert (row["destination.ip"], row["destination.port"]) == ("10.0.0.2", 9080)
    assert row["context.proxy_version"] == "1.40.0"


def test_an_outbound_request_has_its_upstream_host_as_destination(bench):
    row = bench.row(outbound(), sender=PRODUCTPAGE)
    assert row["context.reporter.kind"] == "outbound"
    assert (row["source.workload.name"], row["destination.workload.name"]) == ("productpage-v1", "reviews-v1")
    assert (row["destination.ip"], row["destination.port"]) == ("10.0.0.2", 9080)
    assert (row["upstream.local.ip"], row["upstream.local.port"]) == ("10.0.0.1", 40000)


def test_mutual_tls_gives_principals_and_policy(bench):
    entry = inbound()
    tls = entry.common_properties.tls_properties
    tls.tls_version = 4
    tls.peer_certificate_properties.subject_alt_name.add(uri="spiffe://cluster.local/ns/shop/sa/productpage")
    tls.local_certificate_properties.subject_alt_name.add(uri="spiffe://cluster.local/ns/shop/sa/reviews")
    row = bench.row(entry)
    assert row["source.principal"] == "spiffe://cluster.local/ns/shop/sa/productpage"
    assert (row["connection.mtls"], row["connection.security_policy"]) == (True, "mutual_tls")
    assert row["connection.tls.version"] == 4


def test_peer_metadata_in_filter_state_names_the_peer(bench):
    struct, wrapper = Struct(), AnyMessage()
    struct.update({"workload": "stranger", "namespace": "far", "cluster": "west"})
    wrapper.Pack(struct)
    row = bench.row(inbound(filter_state_objects={"downstream_peer": wrapper}))
    assert (row["source.workload.name"], row["source.cluster.id"]) == ("stranger", "west")
    assert row["source.resolved_by"] == "peer"


def test_an_anonymous_stream_still_tells_what_its_entries_tell(bench):
    row = bench.row(inbound(), sender=None)
    assert row["source.workload.name"] == "productpage-v1"
    assert row["destination.workload.name"] is None


@pytest.mark.parametrize(
    ("entry", "counts", "protocol"),
    [
        (inbound(), True, "http"),
        (inbound(access_log_type=4), False, "http"),
        (inbound(access_log_type=5), False, "http"),
        (inbound(access_log_type=9), False, "http"),
        (inbound(access_log_type=10), False, "http"),
        (connection(3), True, "tcp"),
        (connection(2), False, "tcp"),
        (connection(14), False, "tcp"),
        (connection(13), True, "tcp"),
        # Istio's envoyHttpAls delivers connections as HTTP entries, its envoyTcpAls requests as TCP entries.
        (request(0, path="", authority="", access_log_type=3), True, "tcp"),
        (connection(6), True, "http"),
        (inbound(access_log_type=99), False, "http"),
    ],
)
def test_an_entrys_type_decides_whether_it_counts_and_what_it_is(bench, entry, counts, protocol):
    row = bench.row(entry)
    assert (row["request.counts"], row["context.protocol"]) == (counts, protocol)


def test_a_listeners_log_never_counts(bench):
    entry = connection(3)
    entry.common_properties.access_log_type = 0
    row = bench.row(entry)
    assert (row["request.counts"], row["connection.event"]) == (False, None)


@pytest.mark.parametrize(("intermediate", "counts"), [(False, True), (True, False)])
def test_an_envoy_before_1_27_counts_what_is_not_intermediate(bench, intermediate, counts):
    old = node("reviews-v1", "10.0.0.2")
    old.user_agent_build_version.version.minor_number = 22
    entry = inbound(intermediate_log_entry=intermediate)
    entry.common_properties.access_log_type = 0
    assert bench.row(entry, sender=old)["request.counts"] is counts


@pytest.mark.parametrize(
    ("kind", "event"),
    [(1, "open"), (2, "continue"), (3, "close"), (11, "open"), (12, "continue"), (13, "close"), (14, "open")],
)
def test_a_connections_reports_are_events(bench, kind, event):
    assert bench.row(connection(kind))["connection.event"] == event


def test_tcp_bytes_are_those_of_the_wire_else_of_the_connection(bench):
    wire = connection(3)
    properties = connection(3)
    properties.common_properties.downstream_wire_bytes_received = 0
    properties.connection_properties.received_bytes = 17
    assert bench.row(wire)["connection.received.bytes_total"] == 300
    assert bench.row(properties)["connection.received.bytes_total"] == 17


@pytest.mark.parametrize(
    ("headers", "trailers", "response", "code", "protocol", "status"),
    [
        ({"content-type": "application/grpc"}, {"grpc-status": "0"}, {}, 200, "grpc", 0),
        ({"content-type": "application/grpc+proto"}, {}, {"grpc-status": "14"}, 200, "grpc", 14),
        ({"content-type": "application/grpc"}, {"grpc-status": "5"}, {"grpc-status": "14"}, 200, "grpc", 5),
        ({"content-type": "application/grpc"}, {}, {}, 503, "grpc", 14),
        ({"content-type": "application/grpc"}, {}, {}, 418, "grpc", 2),
        ({"content-type": "application/grpc"}, {}, {}, 200, "grpc", None),
        ({"content-type": "application/grpc-web"}, {}, {}, 200, "http", None),
        ({"content-type": "text/html"}, {"grpc-status": "0"}, {}, 200, "http", None),
        ({"content-type": "application/grpc"}, {"grpc-status": "many"}, {}, 503, "grpc", 14),
    ],
)
def test_grpc_is_recognised_and_its_status_found_in_envoys_order(
    bench, headers, trailers, response, code, protocol, status
):
    row = bench.row(with_headers(inbound(code), headers, trailers, response))
    assert (row["context.protocol"], row["response.grpc_status"]) == (protocol, status)


@pytest.mark.parametrize(
    ("path", "protocol"), [("/shop.v1.Cart/Add", "grpc"), ("/api/login", "http"), ("/shop.v1.Cart", "http")]
)
def test_grpc_is_recognised_by_shape_where_the_content_type_is_not_logged(bench, path, protocol):
    entry = inbound(path=path)
    entry.request.request_method = 3
    entry.protocol_version = 3
    assert bench.row(entry, wanted={"filter_state": HEADERS["filter_state"]})["context.protocol"] == protocol


@pytest.mark.parametrize(
    ("headers", "trace", "span"),
    [
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, "a" * 32, "b" * 16),
        ({"b3": f"{'c' * 32}-{'d' * 16}-1"}, "c" * 32, "d" * 16),
        ({"b3": f"{'c' * 16}-{'d' * 16}"}, "c" * 16, "d" * 16),
        ({"x-b3-traceid": "E" * 16, "x-b3-spanid": "f" * 16}, "e" * 16, "f" * 16),
        ({"traceparent": "garbage"}, None, None),
        ({"traceparent": f"00-{'0' * 32}-{'b' * 16}-01"}, None, None),
        ({"traceparent": f"00-{'a' * 32}-{'0' * 16}-01"}, None, None),
        ({"traceparent": f"00-{'a' * 16}{'0' * 16}-{'b' * 16}-01"}, "a" * 16 + "0" * 16, "b" * 16),
        ({"b3": "0"}, None, None),
        ({}, None, None),
    ],
)
def test_trace_ids_come_from_the_headers_that_were_logged(bench, headers, trace, span):
    row = bench.row(with_headers(inbound(), headers))
    assert row["trace.id"] == (trace and trace.rjust(32, "0"))
    assert row["trace.span_id"] == span


@pytest.mark.parametrize(
    ("headers", "sampled", "parent"),
    [
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, True, None),
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}, False, None),
        ({"b3": f"{'c' * 32}-{'d' * 16}"}, None, None),
        ({"b3": f"{'c' * 32}-{'d' * 16}-0"}, False, None),
        ({"b3": f"{'c' * 32}-{'d' * 16}-d-{'e' * 16}"}, True, "e" * 16),
        ({"b3": "0"}, False, None),
        ({"b3": "1"}, True, None),
        ({"x-b3-sampled": "true", "x-b3-parentspanid": "E" * 16}, True, "e" * 16),
        ({}, None, None),
    ],
)
def test_so_do_the_parent_and_whether_it_is_to_be_kept(bench, headers, sampled, parent):
    row = bench.row(with_headers(inbound(), headers))
    assert (row["trace.sampled"], row["trace.parent_id"]) == (sampled, parent)


def test_what_filters_noted_is_read_from_their_dynamic_metadata(bench):
    entry = inbound()
    noted = entry.common_properties.metadata.filter_metadata
    noted["istio_authn"].update({"request.auth.principal": "issuer/me", "request.auth.claims": {"iss": ["issuer"]}})
    noted["envoy.filters.http.rbac"].update(
        {"shadow_engine_result": "denied", "shadow_effective_policy_id": "deny-all"}
    )
    row = bench.row(entry)
    assert row["request.auth.principal"] == "issuer/me"
    assert row["request.auth.raw_claims"] == '{"iss":["issuer"]}'
    assert row["request.auth.audiences"] is None
    assert (row["rbac.permissive.response_code"], row["rbac.permissive.effective_policy_id"]) == (403, "deny-all")


def test_the_first_clients_address_is_the_origin(bench):
    row = bench.row(inbound(downstream_remote_address=address("198.51.100.7", 0)))
    assert (row["origin.ip"], row["source.ip"]) == ("198.51.100.7", "10.0.0.1")


def test_paths_are_the_clients_and_without_query_where_asked(bench):
    entry = inbound(path="/internal?q=1")
    entry.request.original_path = "/shop?q=1"
    row = bench.row(entry)
    assert (row["request.path"], row["request.url_path"]) == ("/shop?q=1", "/shop")


@pytest.mark.parametrize(
    ("number", "header", "method"), [(3, None, "POST"), (0, "PURGE", "PURGE"), (0, None, None), (77, None, None)]
)
def test_methods_beyond_envoys_list_come_from_their_header(bench, number, header, method):
    entry = with_headers(inbound(), {":method": header} if header else {})
    entry.request.request_method = number
    assert bench.row(entry)["request.method"] == method


def test_a_request_without_response_has_no_code(bench):
    row = bench.row(inbound(0))
    assert row["response.code"] is None


def test_flags_are_printed_and_kept_as_bits(bench):
    entry = outbound(503)
    entry.common_properties.response_flags.upstream_connection_failure = True
    entry.common_properties.response_flags.upstream_retry_limit_exceeded = True
    row = bench.row(entry, sender=PRODUCTPAGE)
    assert row["context.proxy_error_code"] == "UF,URX"
    assert row["response.flags"] == 1 << 5 | 1 << 15


def test_outcome_blame_and_the_parts_of_time_come_with_the_entry(bench):
    entry = outbound(503)
    entry.common_properties.response_flags.no_healthy_upstream = True
    entry.common_properties.time_to_last_rx_byte.FromMilliseconds(2)
    row = bench.row(entry, sender=PRODUCTPAGE)
    assert (row["response.outcome"], row["response.blame"]) == ("server_error", "application")
    assert row["time.request_receive"].total_seconds() == 0.002
    assert row["latency.excluded"] is False
    session = inbound(101)
    assert bench.row(session)["latency.excluded"] is True


def test_flags_that_only_the_details_tell_are_flags(bench):
    entry = outbound(503)
    entry.response.response_code_details = "drop_overload"
    row = bench.row(entry, sender=PRODUCTPAGE)
    assert (row["context.proxy_error_code"], row["response.blame"]) == ("DO", "policy")


def test_what_nobody_wants_is_left_null():
    bench = Bench()
    decoded = native.decode_access_logs([message(inbound())], [0], **HEADERS)
    lean = Normalise(bench.contexts, {"request.id"})
    frame = lean.rows(split(decoded.rows), [bench.node(REVIEWS)], NOW_NS)
    assert fault_of(Batch(Template.LOGENTRY, frame, "t", 1, 1)) is None
    assert frame["request.path"].null_count() == frame["time.proxy_in"].null_count() == 1


def _of_all_kinds():
    """Entries that leave little null: failures, retries, sessions, connections, all marks, traces."""
    failed = outbound(503)
    failed.common_properties.response_flags.upstream_connection_failure = True
    failed.response.response_code_details = "via_upstream"
    tunnel = with_headers(inbound(200), {":method": "CONNECT", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    tunnel.request.request_method = 6
    marked = inbound(200)
    for at, mark in enumerate(
        ("last_rx_byte", "first_upstream_tx_byte", "last_upstream_tx_byte", "first_upstream_rx_byte",
         "last_upstream_rx_byte", "first_downstream_tx_byte", "last_downstream_tx_byte"), start=1
    ):  # fmt: skip
        getattr(marked.common_properties, f"time_to_{mark}").FromMilliseconds(at)
    grpc = with_headers(inbound(200), {"content-type": "application/grpc"}, {"grpc-status": "14"})
    return failed, tunnel, marked, grpc, inbound(101)


@pytest.mark.parametrize("name", SCHEMAS[Template.LOGENTRY])
def test_an_attribute_that_alone_is_wanted_is_what_it_is_among_all(bench, name):
    entries = _of_all_kinds()
    late = [(pl.col("time.upstream_wait").is_not_null(), Outcome.SERVER_ERROR)]
    decoded = native.decode_access_logs([message(*entries)], [0], **HEADERS)
    nodes, contexts = [bench.node(REVIEWS)], bench.contexts
    whole, alone = (
        Normalise(contexts, wanted, late).rows(split(decoded.rows), nodes, NOW_NS)[name]
        for wanted in (list(SCHEMAS[Template.LOGENTRY]), [name])
    )
    assert alone.equals(whole), name


def test_a_mixed_batch_keeps_its_rows_in_order(bench):
    codes = [200, 404, 503, 200, 500] * 20
    frame = bench.frame(*(inbound(code, path=f"/{at}") for at, code in enumerate(codes)))
    assert frame["response.code"].to_list() == codes
    assert frame["request.path"].to_list() == [f"/{at}" for at in range(len(codes))]


def test_each_kind_of_entry_is_resolved_once(bench):
    bench.frame(*(inbound(code, path=f"/{at}") for at, code in enumerate([200, 500] * 50)))
    bench.frame(*(inbound() for _ in range(10)))
    assert bench.contexts.resolved_total == 2, "one kind per node object, whatever code and path"


def test_strangers_addresses_and_hosts_make_no_kinds_of_their_own(bench):
    sender = bench.node(REVIEWS)
    entries = [
        request(
            404, authority=f"host{at}.scanner.example", downstream_direct_remote_address=address(f"203.0.113.{at}", at)
        )
        for at in range(200)
    ]
    decoded = native.decode_access_logs([message(*entries)], [0], **HEADERS)
    Normalise(bench.contexts).rows(split(decoded.rows), [sender], NOW_NS)
    assert bench.contexts.resolved_total == 1


def test_the_memory_of_kinds_is_bounded_and_refilled():
    bench = Bench(limit=5)
    for at in range(20):
        frame = bench.frame(outbound(upstream_cluster=f"outbound|1||s{at}.shop.svc.cluster.local"), sender=PRODUCTPAGE)
        assert frame["destination.service.name"].to_list() == [f"s{at}"]
    assert len(bench.contexts) <= 6
    assert bench.contexts.cleared_total >= 2


def test_an_address_that_learns_its_workload_later_is_resolved_anew(bench):
    entry = inbound()
    entry.common_properties.downstream_direct_remote_address.socket_address.address = "10.0.0.77"
    assert bench.row(entry)["source.workload.name"] is None
    bench.resolver.learn(bench.node(node("late", "10.0.0.77")))
    assert bench.row(entry)["source.workload.name"] == "late"


def test_a_clock_far_in_the_future_is_carried_as_it_is(bench):
    entry = inbound()
    entry.common_properties.start_time.FromSeconds(9_000_000_000)
    assert bench.row(entry)["request.time"].year == 2255


class Learning(Addresses):
    """A registry that learns an address as soon as it has been asked for it, as when its Envoy connects just then."""

    def look_up(self, address):
        answer = super().look_up(address)
        self.learn(address, Workload(name="late", namespace="shop"))
        return answer


def test_an_address_learned_meanwhile_names_no_stranger():
    addresses = Learning()
    contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1)
    decoded = native.decode_access_logs([message(inbound())], [0], **HEADERS)
    frame = Normalise(contexts).rows(split(decoded.rows), [Bench.node(REVIEWS)], NOW_NS)
    assert frame["source.workload.name"].to_list() == [None]
    again = Normalise(contexts).rows(split(decoded.rows), [Bench.node(REVIEWS)], NOW_NS)
    assert again["source.workload.name"].to_list() == ["late"]
