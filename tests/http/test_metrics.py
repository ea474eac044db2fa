import gzip
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.requests import ClientDisconnect

from telemetry.http.metrics import compressed, metrics_router
from telemetry.plugin import Count, Scraped
from tests.adapters.pages import Mesh, Point

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


class Pages(Scraped):
    """Gives the pieces it is told to, and notes how far it got."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.completed = 0

    def exposition(self, *, openmetrics: bool) -> Iterator[bytes]:
        yield from self.pieces
        self.completed += 1


class Keeper:
    """Counts one thing."""

    def __init__(self, value: float) -> None:
        self.value = value

    def counts(self) -> Iterator[Count]:
        yield Count("telemetry_kept", "gauge", "Things kept.", self.value, {"place": 'a "shelf"\n'})


def app(*scraped: object) -> FastAPI:
    registry = CollectorRegistry()
    Counter("telemetry_entries", "Entries.", registry=registry).inc(3)
    app = FastAPI()
    app.include_router(metrics_router(registry, lambda: {f"h{at}": one for at, one in enumerate(scraped)}))
    return app


async def get(app: FastAPI, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mesh") as client:
        response = await client.get("/metrics", headers={"Accept-Encoding": "identity", **headers})
    assert response.status_code == 200
    return response


async def mesh() -> Mesh:
    mesh = Mesh()
    await mesh.export(Point("istio_requests_total", {"a": "x"}, 5))
    return mesh


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", parse_text),
        (OPENMETRICS["Accept"], "application/openmetrics-text; version=1.0.0; charset=utf-8", parse_openmetrics),
    ],
)
async def test_own_metrics_and_the_adapters_are_on_one_page(accept: str, content_type: str, parse: type) -> None:
    response = await get(app((await mesh()).adapter), Accept=accept)
    assert response.headers["content-type"] == content_type
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    samples = {sample.name: sample.value for family in parse(response.text) for sample in family.samples}
    assert (samples["telemetry_entries_total"], samples["istio_requests_total"]) == (3, 5)


@pytest.mark.parametrize("adapters", [0, 1, 3])
async def test_an_openmetrics_page_ends_in_eof_and_has_it_once(adapters: int) -> None:
    response = await get(app(*[Pages(b"# TYPE a gauge\n")] * adapters), **OPENMETRICS)
    assert response.content.endswith(b"# EOF\n")
    assert response.content.count(b"# EOF") == 1
    assert b"# EOF" not in (await get(app(*[Pages(b"# TYPE a gauge\n")] * adapters))).content


async def test_a_page_is_compressed_for_those_who_take_it() -> None:
    page = app((await mesh()).adapter)
    plain, small = await get(page), await get(page, **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert b"istio_requests_total" in small.content  # httpx has decompressed it
    assert small.text.splitlines()[:3] == plain.text.splitlines()[:3]


def test_compressed_pieces_are_one_gzip_stream_and_flow_before_the_end() -> None:
    taken = []
    noise = [bytes((i * j * 7919) % 251 for j in range(5000)) for i in range(1, 60)]

    def pieces() -> Iterator[bytes]:
        for piece in noise * 20:
            taken.append(piece)
            yield piece

    stream = compressed(pieces())
    first = next(stream)
    assert len(taken) < 20 * len(noise)
    assert gzip.decompress(first + b"".join(stream)) == b"".join(noise * 20)


async def test_a_client_that_goes_away_has_not_completed_its_scrape() -> None:
    pages = Pages(*[b"# a comment\n"] * 100)
    sent = 0

    async def send(message: dict) -> None:
        nonlocal sent
        sent += 1
        if sent > 5:
            raise OSError("the client has gone")

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": "/metrics",
        "raw_path": b"/metrics",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("mesh", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    with pytest.raises(ClientDisconnect):
        await app(pages)(scope, receive, send)
    assert pages.completed == 0


async def test_adapters_are_asked_for_at_each_scrape() -> None:
    scraped: dict[str, Scraped] = {}
    page = FastAPI()
    page.include_router(metrics_router(CollectorRegistry(), lambda: scraped))
    assert b"# late" not in (await get(page)).content
    scraped["late"] = Pages(b"# late\n")
    assert b"# late" in (await get(page)).content


@pytest.mark.parametrize(("accept", "parse"), [("*/*", parse_text), (OPENMETRICS["Accept"], parse_openmetrics)])
async def test_what_two_handlers_count_is_one_family_told_apart_by_handler(accept: str, parse: type) -> None:
    response = await get(app(Keeper(1), (await mesh()).adapter, Keeper(2.5)), Accept=accept)
    (kept,) = [family for family in parse(response.text) if family.name == "telemetry_kept"]
    assert [(sample.labels, sample.value) for sample in kept.samples] == [
        ({"handler": "h0", "place": 'a "shelf"\n'}, 1),
        ({"handler": "h2", "place": 'a "shelf"\n'}, 2.5),
    ]
