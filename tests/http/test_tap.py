"""Live rows: by expression, bounded, redacted, and made only while somebody watches."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx
import pytest

from telemetry.batch import Batch, Template
from telemetry.service import Service
from telemetry.tapping import Tap, Taps, View, view_of
from tests.rows import logentries, metrics
from tests.service.running import Envoy, counted, running, settings, total, until
from tests.wire import inbound, message, node

REVIEWS = node()


class Watching:
    """A tap's client: the rows and counts that came."""

    def __init__(self, response: httpx.Response) -> None:
        self.rows: list[dict] = []
        self.counts: dict = {}
        self._reading = asyncio.create_task(self._read(response))

    async def _read(self, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            one = json.loads(line)
            if "tap" in one:
                self.counts = one["tap"]
            else:
                self.rows.append(one)

    async def ended(self) -> dict:
        async with asyncio.timeout(10):
            await self._reading
        return self.counts


def address(service: Service) -> str:
    return f"http://127.0.0.1:{service.http_port}/api/v1/tap"


@asynccontextmanager
async def watching(service: Service, **query: object) -> AsyncIterator[Watching]:
    async with httpx.AsyncClient(timeout=10) as client:
        async with client.stream("GET", address(service), params=query) as response:
            assert response.status_code == 200, await response.aread()
            one = Watching(response)
            await until(lambda: bool(one.counts))
            yield one
        one._reading.cancel()
        await asyncio.gather(one._reading, return_exceptions=True)


def made(service: Service) -> frozenset[Template]:
    return service._composition.pipeline._templates


async def test_entries_are_shown_where_no_handler_takes_them_and_made_only_meanwhile():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        assert Template.LOGENTRY not in made(service)
        async with watching(service, match="response.code >= 500") as tap:
            await until(lambda: Template.LOGENTRY in made(service))
            await envoy.send(message(inbound(200), inbound(503, path="/reviews/me@example.org?id=1"), sender=REVIEWS))
            await until(lambda: len(tap.rows) == 1)
            [row] = tap.rows
            assert (row["template"], row["response.code"], row["row"]) == ("logentry", 503, 1)
            assert row["request.path"] == "/reviews/[email]"
            assert row["request.operation"].startswith("GET ")
        await until(lambda: Template.LOGENTRY not in made(service))
        await envoy.send(message(inbound(200)))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 3)
        await envoy.end()
        await until(lambda: service.deliveries[0].account().offered > 2)


async def test_metrics_are_shown_by_their_labels_and_only_the_columns_asked_for():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        query = {"template": "metric", "match": 'labels.response_code == "404"', "columns": ["metric", "labels"]}
        async with watching(service, **query) as tap:
            await envoy.send(message(inbound(200), inbound(404), sender=REVIEWS))
            await until(lambda: any(row["metric"] == "istio_requests_total" for row in tap.rows))
            assert all(row["labels"]["response_code"] == "404" for row in tap.rows)
            assert set(tap.rows[0]) == {"template", "receiver", "epoch", "sequence", "row", "metric", "labels"}
        await envoy.end()


async def test_a_limit_ends_it_and_so_does_the_service():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        async with watching(service, limit=2) as tap, watching(service) as other:
            await until(lambda: Template.LOGENTRY in made(service))
            await envoy.send(message(*[inbound(200)] * 5, sender=REVIEWS))
            assert await tap.ended() == {
                "seen": 5, "matched": 2, "shown": 2, "sampled_out": 0, "dropped": 0, "end": "limit",
            }  # fmt: skip
            await envoy.end()
            await until(lambda: len(other.rows) == 5)
            service._taps.close()
            assert (await other.ended())["end"] == "the service is stopping"


async def test_a_service_that_is_watched_stops_without_delay():
    async with httpx.AsyncClient(timeout=10) as client:
        async with asyncio.timeout(4):
            async with running(settings(shutdown={"deadline_s": 5})) as service:
                stream = client.stream("GET", address(service))
                response = await stream.__aenter__()
            lines = [json.loads(line) async for line in response.aiter_lines()]
        assert lines[-1]["tap"]["end"] == "the service is stopping"
        await stream.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"match": "response.kode >= 500"}, 422, "there is no attribute response.kode\n  response.kode >= 500\n  ^"),
        ({"match": "response.code"}, 422, "bool is needed here"),
        ({"match": "x" * 5000}, 422, ""),
        ({"columns": "request.paht"}, 422, "did you mean request.path?"),
        ({"template": "logs"}, 422, "template"),
        ({"limit": 0}, 422, "limit"),
        ({"max_rows_per_s": 1e9}, 422, "max_rows_per_s"),
    ],
)
async def test_what_can_not_be_watched_is_refused_with_its_place(query, status, said):
    async with running() as service, httpx.AsyncClient() as client:
        answer = await client.get(address(service), params=query)
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
        assert len(service._taps) == 0


async def test_only_a_few_watch_at_once_and_who_left_makes_room():
    async with running() as service, httpx.AsyncClient() as client:
        async with watching(service), watching(service), watching(service), watching(service):
            answer = await client.get(address(service))
            assert (answer.status_code, "4 taps already" in answer.text) == (429, True)
        await until(lambda: len(service._taps) == 0)
        async with watching(service):
            assert len(service._taps) == 1


async def test_a_reload_goes_on_making_what_is_watched():
    async with running() as service:
        async with watching(service):
            await until(lambda: Template.LOGENTRY in made(service))
            await service.apply(settings(probes={"ignore": False}))
            assert Template.LOGENTRY in made(service)
        await until(lambda: Template.LOGENTRY not in made(service))
        assert not service._composition._settings.probes.ignore


async def test_a_client_that_reads_nothing_costs_the_service_nothing():
    many, rounds = 1000, 36
    async with running() as service:
        _, writer = await asyncio.open_connection("127.0.0.1", service.http_port, limit=1024)
        writer.write(b"GET /api/v1/tap?max_rows_per_s=10000 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: Template.LOGENTRY in made(service))
        [tap] = service._taps._open
        envoy = Envoy(service.grpc_port)
        large = message(*[inbound(200, path="/" + "x" * 1000)] * many, sender=REVIEWS)
        await envoy.send(*[large] * rounds)
        await envoy.end()
        async with asyncio.timeout(20):
            while await total(service, "istio_requests_total") < many * rounds:
                await asyncio.sleep(0.05)
        assert tap.counts.dropped > 0
        assert counted(service, "telemetry_receiver_entries_total") == many * rounds
        writer.close()
        await until(lambda: len(service._taps) == 0)


# The tap itself -------------------------------------------------------------------------------------------------------


def rows(number: int) -> Batch:
    return logentries(*({"request.id": f"r-{at}", "response.code": 200} for at in range(number)))


async def lines_of(tap: Tap) -> list[dict]:
    found = []
    async for text in tap.lines():
        found += [json.loads(line) for line in text.splitlines()]
    return found


async def test_who_reads_slowly_loses_rows_and_is_told_how_many():
    with ThreadPoolExecutor(1) as work:
        tap = Tap(view_of(Template.LOGENTRY, ""), work, buffer_rows=10)
        for number in (8, 8, 2, 8):
            tap.offer(rows(number))
        reading = asyncio.create_task(lines_of(tap))
        await until(lambda: tap.counts.matched == 10)
        tap.end("enough")
        found = await reading
    assert found[-1]["tap"] == {
        "seen": 26, "matched": 10, "shown": 10, "sampled_out": 0, "dropped": 16, "end": "enough",
    }  # fmt: skip
    assert [one["request.id"] for one in found if "row" in one] == [*(f"r-{at}" for at in range(8)), "r-0", "r-1"]


async def test_of_more_rows_than_may_be_shown_an_even_sample_is():
    with ThreadPoolExecutor(1) as work:
        tap = Tap(view_of(Template.LOGENTRY, "", rows_per_s=5), work, clock_ns=lambda: 0)
        tap.offer(rows(100))
        reading = asyncio.create_task(lines_of(tap))
        await until(lambda: tap.counts.matched == 100)
        tap.end("enough")
        found = await reading
    assert [one["row"] for one in found if "row" in one] == [0, 20, 40, 60, 80]
    assert (found[-1]["tap"]["shown"], found[-1]["tap"]["sampled_out"]) == (5, 95)


async def test_a_batch_larger_than_the_buffer_is_looked_at_when_it_is_alone():
    with ThreadPoolExecutor(1) as work:
        tap = Tap(View(match='request.id == "r-99"'), work, buffer_rows=10)
        tap.offer(rows(100))
        reading = asyncio.create_task(lines_of(tap))
        await until(lambda: tap.counts.shown == 1)
        tap.end("enough")
        assert [one["row"] for one in await reading if "row" in one] == [99]


async def test_offering_never_waits_for_who_watches():
    taps = Taps()
    tap, others = taps.open(View()), metrics(1)
    for _ in range(10_000):
        taps.offer([rows_of_one, others])
    assert tap.counts.seen == 10_000
    taps.release(tap)
    taps.offer([rows_of_one])
    assert tap.counts.seen == 10_000
    taps.close()


rows_of_one = rows(1)


async def test_controls_in_rows_are_escaped():
    with ThreadPoolExecutor(1) as work:
        tap = Tap(View(columns=("request.useragent",), limit=1), work)
        tap.offer(logentries({"request.useragent": 'a\x1b[2J\n"\x00\u202e\x9b€'}))
        text = b"".join([piece async for piece in tap.lines()])
    [row] = [json.loads(line) for line in text.splitlines() if b"useragent" in line]
    assert row["request.useragent"] == 'a\x1b[2J\n"\x00\u202e\x9b€'
    assert not {"\x1b", "\x00", "\x9b", "\u202e"} & set(text.decode())
