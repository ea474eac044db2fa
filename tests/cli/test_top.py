"""`telemetry top`, as a user sees it."""

import asyncio
import json
import math
import os
import pty
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from telemetry.cli import app
from telemetry.cli.golden import KEYS, SORTS, Row, rows_by, sorted_rows
from telemetry.cli.top import By, Sort
from telemetry.demo.samples import Sample
from tests.service.running import Envoy, page, running, settings, until
from tests.wire import inbound, message, node, outbound


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["top", *arguments])


def rate(value: float, name: str = "istio_requests_total", **labels: str) -> Sample:
    defaults = {"reporter": "source", "destination_service": "reviews", "response_code": "200"}
    return Sample(name, defaults | labels, value)


class Pages(BaseHTTPRequestHandler):
    """Gives one page after the other."""

    pages: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if not self.pages:
            return  # hangs up
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.pages.pop(0).encode())

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def showing(*pages: str) -> Iterator[str]:
    Pages.pages = list(pages)
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


async def before_and_after(*entries: object, sender: object) -> tuple[str, str]:
    """The page of a service before and after it was told of these entries, twice."""
    async with running() as service:
        envoy, delivery, pages = Envoy(service.grpc_port), service.deliveries[0], []
        for _ in range(2):
            before = delivery.account().delivered
            await envoy.send(message(*entries, sender=sender))
            await until(lambda before=before: delivery.account().delivered > before)
            pages.append(await page(service))
        await envoy.end()
    return pages[0], pages[1]


async def test_what_came_between_two_looks_is_shown_per_second():
    pages = await before_and_after(*[inbound(200)] * 3, inbound(503), sender=node())
    with showing(*pages) as url:
        result = await asyncio.to_thread(run, "--once", "--json", "--interval", "500ms", "--url", url)
    assert result.exit_code == 0, result.output
    [row] = json.loads(result.stdout)["rows"]
    assert (row["service"], row["reporter"]) == ("reviews-v1.shop.svc.cluster.local", "destination")
    assert 0 < row["requests_per_s"] <= 4 / 0.5
    assert row["error_ratio"] == pytest.approx(0.25)
    assert 10 <= row["p99_ms"] <= 25


async def test_the_table_has_a_line_for_each_edge():
    pages = await before_and_after(outbound(200), sender=node("web", "10.0.0.1"))
    with showing(*pages) as url:
        result = await asyncio.to_thread(run, "--once", "--by", "edge", "--interval", "200ms", "--url", url)
    assert "web.shop" in result.stdout, result.output
    assert "source" in result.stdout


def test_a_service_that_goes_away_is_told_with_exit_code_1():
    with showing("", "") as url:
        result = run("--json", "--interval", "200ms", "--url", url)
    assert [json.loads(line)["rows"] for line in result.stdout.splitlines()] == [[]]
    assert (result.exit_code, "is `telemetry serve` running there" in result.stderr) == (1, True)


async def test_operations_need_their_label_and_it_is_said_how_to_get_it():
    async with running() as service:
        url = f"http://127.0.0.1:{service.http_port}"
        result = await asyncio.to_thread(run, "--once", "--by", "operation", "--interval", "200ms", "--url", url)
    said = result.stdout.partition("add it: ")[2].replace("\n", " ")
    assert "tagOverrides: {request_operation: {value: request.operation}}" in " ".join(said.split())


def test_the_hint_for_operations_is_a_configuration_that_works():
    tags = {"request_operation": {"value": "request.operation"}}
    override = {"match": {"metric": "REQUEST_COUNT"}, "tagOverrides": tags}
    made = settings(standard_metrics={"overrides": [override]})
    assert made.standard_metrics.overrides[0].override().labels == {"request_operation": "request.operation"}


@pytest.mark.parametrize("interval", ["0s", "2", "1d", "fast", "-1s"])
def test_an_interval_that_is_none_is_refused(interval):
    result = run("--interval", interval)
    assert (result.exit_code, "from 200ms to 1h" in result.stderr) == (2, True)


def test_a_service_that_is_not_there_is_told_with_exit_code_1():
    result = run("--url", "http://127.0.0.1:1", "--once")
    assert (result.exit_code, "is `telemetry serve` running there" in result.stderr) == (1, True)


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read what the terminal shows until it shows this."""
    seen = b""
    while wanted not in seen:
        assert select.select([terminal], [], [], 20)[0], seen
        seen += os.read(terminal, 65536)
    return seen


def test_on_a_terminal_keys_sort_and_end_it():
    ours, theirs = pty.openpty()
    line = 'istio_requests_total{reporter="source",destination_service="reviews",response_code="200"} %d\n'
    with showing(*[line % number for number in range(1000)]) as url:
        command = [sys.executable, "-m", "telemetry", "top", "--interval", "200ms", "--url", url]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            read_until(ours, b"by rate")
            os.write(ours, b"e")
            read_until(ours, b"by errors")
            os.write(ours, b"q")
            assert process.wait(20) == 0
    for end in (ours, theirs):
        os.close(end)


# Rates to lines -------------------------------------------------------------------------------------------------------


def test_of_the_two_ends_the_one_that_told_of_more_is_shown():
    [row] = rows_by(KEYS["service"], [rate(2), rate(3, reporter="destination", response_code="500"), rate(0.5)])
    assert (row.reporter, row.requests_per_s, row.error_ratio) == ("destination", 3, 1.0)


def test_a_grpc_status_that_is_the_servers_fault_is_an_error():
    samples = [rate(3, grpc_response_status="0"), rate(1, grpc_response_status="14"), rate(1, grpc_response_status="5")]
    assert rows_by(KEYS["service"], samples)[0].error_ratio == 1 / 5


def test_no_answer_at_all_is_an_error():
    assert rows_by(KEYS["service"], [rate(1, response_code="0")])[0].error_ratio == 1


def test_connections_have_bytes_and_no_latency():
    [row] = rows_by(KEYS["service"], [rate(7, "istio_tcp_sent_bytes_total"), rate(5, "istio_tcp_received_bytes_total")])
    assert (row.bytes_per_s, row.requests_per_s) == (12, 0)
    assert all(map(math.isnan, (row.error_ratio, *row.latency_ms)))


def test_counters_that_began_anew_are_left_out():
    assert rows_by(KEYS["service"], [rate(-5)]) == []


def test_operations_are_told_apart_within_a_service():
    samples = [rate(1, request_operation="GET /a"), rate(1, request_operation="GET /b"), rate(1)]
    assert {row.name for row in rows_by(KEYS["operation"], samples)} == {"reviews GET /a", "reviews GET /b"}


@given(st.lists(st.floats(0, 1e6) | st.just(math.nan)), st.sampled_from([*SORTS, "name"]))
def test_lines_are_sorted_the_greatest_first_and_nothing_to_judge_by_last(values, by):
    rows = [Row(str(at), "source", 1, value, (value,) * 3, 1) for at, value in enumerate(values)]
    found = sorted_rows(rows, by)
    assert sorted(map(id, found)) == sorted(map(id, rows))
    if by != "name":
        numbers = [SORTS[by](row) for row in found]
        known = [number for number in numbers if not math.isnan(number)]
        assert known == sorted(known, reverse=True)
        assert all(map(math.isnan, numbers[len(known) :]))


def test_every_choice_is_known():
    assert {by.value for by in By} == set(KEYS)
    assert {sort.value for sort in Sort} == {*SORTS, "name"}
