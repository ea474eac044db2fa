import polars as pl
import pytest

from telemetry.demo import compare
from telemetry.demo.access_log_files import access_log_file, read_access_logs
from telemetry.demo.samples import Sample

HTTP = {
    "reporter": "source",
    "access_log_type": "DownstreamEnd",
    "stream_id": "1",
    "source_workload": "a",
    "destination_workload": "b",
    "response_code": 200,
    "downstream_wire_bytes_sent": 1,
    "downstream_wire_bytes_received": 1,
}
TCP = {**HTTP, "access_log_type": "TcpPeriodic", "response_code": 0}
EDGE = {"reporter": "source", "source_workload": "a", "destination_workload": "b"}


def lines(*rows):
    return pl.DataFrame(list(rows))


def requests(value, code="200", **labels):
    return Sample("istio_requests_total", {**EDGE, "response_code": code, **labels}, value)


def agree(written, samples):
    return compare.compare(compare.expected(written), compare.counted(samples))["agree"].all()


def test_equal_counts_agree_however_many_series_they_are_spread_over():
    assert agree(lines(HTTP, HTTP, HTTP), [requests(1.0, response_flags="-"), requests(2.0, response_flags="UT")])


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [requests(1.0)],
        [requests(3.0)],
        [requests(2.0, reporter="destination")],
        [requests(2.0, code="503")],
        [requests(2.0, destination_workload="unknown")],
        [requests(2.0), requests(1.0, source_workload="c")],
    ],
    ids=["all missing", "one missing", "one too many", "reporter", "code", "peer", "unexpected"],
)
def test_a_difference_is_found(samples):
    assert not agree(lines(HTTP, HTTP), samples)


def test_only_the_end_of_a_request_counts():
    start = {**HTTP, "access_log_type": "DownstreamStart"}
    periodic = {**HTTP, "access_log_type": "DownstreamPeriodic"}
    assert agree(lines(start, periodic, HTTP), [requests(1.0)])


def test_a_request_without_an_answer_has_code_0():
    assert agree(lines({**HTTP, "response_code": None}, HTTP), [requests(1.0), requests(1.0, code="0")])


def test_running_totals_of_a_connection_count_once():
    written = lines(
        {**TCP, "downstream_wire_bytes_sent": 10},
        {**TCP, "downstream_wire_bytes_sent": 30, "downstream_wire_bytes_received": 5},
        {**TCP, "stream_id": "2", "access_log_type": "TcpConnectionEnd", "downstream_wire_bytes_sent": 4},
    )
    values = {
        "istio_tcp_connections_opened_total": 2.0,
        "istio_tcp_connections_closed_total": 1.0,
        "istio_tcp_sent_bytes_total": 34.0,
        "istio_tcp_received_bytes_total": 6.0,
    }
    assert agree(written, [Sample(name, EDGE, value) for name, value in values.items()])
    assert compare.open_connections(written) == 1


def test_what_was_there_before_is_left_out():
    before, after = (
        compare.counted([requests(5.0), requests(1.0, code="404")]),
        compare.counted([requests(7.0), requests(1.0, code="404")]),
    )
    assert compare.difference(after, before).rows() == [("istio_requests_total", *EDGE.values(), "200", 2)]


def test_totals_forget_peers():
    named = compare.counted([requests(2.0), requests(3.0, destination_workload="unknown")])
    assert compare.totals(named).rows() == [("istio_requests_total", "source", 5)]


def test_nothing_written_and_nothing_counted_agree():
    assert agree(lines(HTTP).clear(), [])


def test_a_line_still_being_written_is_left_for_later(topology, tmp_path):
    for workload in topology.workloads:
        access_log_file(tmp_path, workload).touch()
    line = b'{"reporter":"source","upstream_host":"127.0.10.4:9080","response_code":200}\n'
    access_log_file(tmp_path, topology.workload("productpage-v1")).write_bytes(line + line[:30])
    written = read_access_logs(tmp_path, topology)
    assert written.select("source_workload", "destination_workload", "response_code").rows() == [
        ("productpage-v1", "details-v1", 200)
    ]
