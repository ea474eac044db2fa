"""`GET /metrics`: our own metrics and those of every scraped adapter, on one page."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

import numpy as np
from fastapi import APIRouter, Request
from isal import isal_zlib
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_latest_openmetrics
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from telemetry.exposition import (
    OPENMETRICS_TYPE,
    TEXT_TYPE,
    accepts_gzip,
    escape,
    family_head,
    number_texts,
    prefers_openmetrics,
    scalar_lines,
)
from telemetry.plugin import Adapter, Count, Counting, Scraped

__all__ = ["compressed", "metrics_router", "page"]

_EOF = b"# EOF\n"
_GZIP_WINDOW = 16 + 15
_MIN_PIECE_BYTES = 64 * 1024


def metrics_router(registry: CollectorRegistry, adapters: Callable[[], Mapping[str, Adapter]]) -> APIRouter:
    """Give the route. `adapters`, by handler, is asked at each scrape, so that a reload may change them."""
    router = APIRouter()

    @router.get("/metrics", response_class=StreamingResponse)
    async def metrics(request: Request) -> StreamingResponse:
        """Show all metrics: OpenMetrics 1.0 when the client asks for it, else Prometheus' text format 0.0.4."""
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        pieces = page(registry, adapters(), openmetrics=openmetrics)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            pieces = compressed(pieces)
            headers["Content-Encoding"] = "gzip"
        return StreamingResponse(
            _threaded(pieces), headers=headers, media_type=OPENMETRICS_TYPE if openmetrics else TEXT_TYPE
        )

    return router


def page(registry: CollectorRegistry, adapters: Mapping[str, object], *, openmetrics: bool) -> Iterator[bytes]:
    """Yield the page piece by piece, `# EOF` once at the end of an OpenMetrics page. `adapters`: by handler."""
    own: bytes = (generate_latest_openmetrics if openmetrics else generate_latest)(registry)
    yield own.removesuffix(_EOF)
    yield _counts(adapters, openmetrics=openmetrics)
    for adapter in adapters.values():
        if isinstance(adapter, Scraped):
            yield from adapter.exposition(openmetrics=openmetrics)
    if openmetrics:
        yield _EOF


def _counts(adapters: Mapping[str, object], *, openmetrics: bool) -> bytes:
    """Write what adapters count of themselves: each family once, however many handlers have it."""
    found: dict[str, list[tuple[str, Count]]] = {}
    for handler, adapter in adapters.items():
        for count in adapter.counts() if isinstance(adapter, Counting) else ():
            found.setdefault(count.name, []).append((handler, count))
    pieces: list[bytes] = []
    for name, counts in found.items():
        first = counts[0][1]
        pieces.append(family_head(name, first.kind, text=first.meaning, openmetrics=openmetrics))
        labels = [_labels({"handler": handler, **count.labels}) for handler, count in counts]
        pieces.append(scalar_lines(name, labels, number_texts(np.array([count.value for _, count in counts]))))
    return b"".join(pieces)


def _labels(labels: Mapping[str, str]) -> bytes:
    return ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()).encode()


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the gzip of the pieces; small output is gathered, as each piece costs a change of threads."""
    gzip = isal_zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    ready: list[bytes] = []
    for piece in pieces:
        ready.append(gzip.compress(piece))
        if sum(map(len, ready)) >= _MIN_PIECE_BYTES:
            yield b"".join(ready)
            ready.clear()
    yield b"".join([*ready, gzip.flush()])


async def _threaded(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Take each piece in a worker thread, so that the event loop serves others meanwhile."""
    while (piece := await run_in_threadpool(next, pieces, None)) is not None:
        if piece:
            yield piece
