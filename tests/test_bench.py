"""The benchmark's streams are what they are said to be: a figure is worth no more than its input."""

from statistics import mean

import pytest
from envoy.service.accesslog.v3 import als_pb2

from bench.mesh import Mesh
from bench.replay import METHOD
from bench.report import table
from bench.service import Own, counted
from bench.streams import entries_of, frame, messages

MESH = Mesh(workloads=200, requests_per_call=20, at_us=1_700_000_000_000_000)


def test_the_method_is_envoys() -> None:
    service = als_pb2.DESCRIPTOR.services_by_name["AccessLogService"]
    assert f"{service.full_name}/{service.methods_by_name['StreamAccessLogs'].name}" == METHOD


def test_only_the_first_message_of_a_stream_names_the_envoy() -> None:
    workload = MESH.members[7]
    first, *rest = messages(workload, entries_of(MESH, workload), 30)
    assert first.identifier.node.id.startswith(f"sidecar~{workload.ip}~{workload.pod}.{workload.namespace}~")
    assert 55_000 < first.identifier.ByteSize() < 65_000
    assert rest
    assert not any(message.HasField("identifier") for message in rest)


def test_a_message_is_as_large_as_envoys_buffer() -> None:
    workload = MESH.members[7]
    _, second, *_ = messages(workload, entries_of(MESH, workload), 30)
    assert 480 < mean(entry.ByteSize() for entry in second.http_logs.log_entry) < 600
    assert 14_000 < len(frame(second)) < 18_000


def test_the_frame_says_how_long_the_message_is() -> None:
    message = next(messages(MESH.members[0], [], 1), als_pb2.StreamAccessLogsMessage())
    framed = frame(message)
    assert framed[0] == 0
    assert int.from_bytes(framed[1:5]) == len(framed) - 5


def test_both_ends_of_a_hop_report_the_same_request() -> None:
    client, server = MESH.members[0], MESH.members[3]
    sent = {entry.request.request_id: entry for entry in entries_of(MESH, client) if _goes_to(entry, server.host)}
    served = {entry.request.request_id: entry for entry in entries_of(MESH, server)}
    assert len(sent) == MESH.requests_per_call
    for request_id, outbound in sent.items():
        inbound = served[request_id]
        assert outbound.common_properties.upstream_local_address == (
            inbound.common_properties.downstream_direct_remote_address
        )
        assert outbound.response.response_code == inbound.response.response_code


def test_requests_differ_as_real_ones_do() -> None:
    mesh = Mesh(requests_per_call=50)
    requests = [request for workload in mesh.members for request in mesh.requests_of(workload)]
    assert len({request.id for request in requests}) == len(requests) / 2  # each is seen from both ends
    assert 4_000 < len({request.path.partition("?")[0] for request in requests}) <= 5_000
    assert len({request.code for request in requests}) >= 6
    assert len({request.flag for request in requests}) == 4
    assert {bool(request.traceparent) for request in requests} == {True, False}


def test_distinct_means_that_nothing_comes_twice() -> None:
    mesh = Mesh(workloads=5, calls=1, requests_per_call=10, distinct=True, hosts=True)
    requests = {request.id: request for workload in mesh.members for request in mesh.requests_of(workload)}
    for field in ("path", "user_agent", "authority"):
        assert len({getattr(request, field) for request in requests.values()}) == len(requests)


def test_counted_adds_up_all_series_of_requests_whatever_their_labels_hold() -> None:
    page = b'istio_requests_total{a="} 7"} 3\nistio_requests_total{a="b c"} 4\nistio_request_bytes_sum{} 9\n'
    assert counted(page) == 7


@pytest.mark.parametrize(("name", "total"), [("telemetry_a_total", 3.0), ("telemetry_b_total", 0.0)])
def test_own_metrics_are_added_up_over_their_labels(name: str, total: float) -> None:
    page = b'# TYPE telemetry_a_total counter\ntelemetry_a_total{r="x"} 1\ntelemetry_a_total{r="y"} 2\nother 5\n'
    assert Own(page).total(name) == total


def test_tables_line_up() -> None:
    assert table(("a", "b"), [("long name", "1")]).splitlines() == [
        "| a         |  b |",
        "| --------- | -: |",
        "| long name |  1 |",
    ]


def _goes_to(entry, host: str) -> bool:
    return entry.common_properties.upstream_cluster.endswith(host)
