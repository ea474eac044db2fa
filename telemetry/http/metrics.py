"""`GET /metrics`: our own metrics and those of every scraped adapter, on one page."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

from fastapi import APIRouter, Request
from isal import isal_zlib
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_latest_openmetrics
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from telemetry.exposition import OPENMETRICS_TYPE, TEXT_TYPE, accepts_gzip, prefers_openmetrics
from telemetry.plugin import Scraped

__all__ = ["compressed", "metrics_router", "page"]

_EOF = b"# EOF\n"
_GZIP_WINDOW = 16 + 15
_MIN_PIECE_BYTES = 64 * 1024


def metrics_router(registry: CollectorRegistry, scraped: Callable[[], Sequence[Scraped]]) -> APIRouter:
    """Give the route. `scraped` is asked at each scrape, so that a reload may change the adapters."""
    router = APIRouter()

    @router.get("/metrics", response_class=StreamingResponse)
    async def metrics(request: Request) -> StreamingResponse:
        """Show all metrics: OpenMetrics 1.0 when the client asks for it, else Prometheus' text format 0.0.4."""
        openmetrics = prefers_openmetrics(request.headers.get("accept", ""))
        pieces = page(registry, scraped(), openmetrics=openmetrics)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            pieces = compressed(pieces)
            headers["Content-Encoding"] = "gzip"
        return StreamingResponse(
            _threaded(pieces), headers=headers, media_type=OPENMETRICS_TYPE if openmetrics else TEXT_TYPE
        )

    return router


def page(registry: CollectorRegistry, scraped: Sequence[Scraped], *, openmetrics: bool) -> Iterator[bytes]:
    """Yield the page piece by piece, `# EOF` once at the end of an OpenMetrics page."""
    own: bytes = (generate_latest_openmetrics if openmetrics else generate_latest)(registry)
    yield own.removesuffix(_EOF)
    for adapter in scraped:
        yield from adapter.exposition(openmetrics=openmetrics)
    if openmetrics:
        yield _EOF


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
