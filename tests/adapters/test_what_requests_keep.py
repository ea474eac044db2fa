"""A request that was answered must leave nothing that only the garbage collector would find: it comes late."""

import gc
from collections.abc import AsyncIterator

import httpx
import pytest
from aiohttp import web

from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=int(request.match_info["status"]), text="said")

    application = web.Application()
    application.router.add_post("/{status}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("status", [200, 503])
async def test_nobody_holds_a_request_that_was_answered(url: str, status: int) -> None:
    poster = HttpPoster(TlsFiles(None), timeout_s=10, max_answer_bytes=100)
    gc.collect()
    before = requests()
    gc.disable()
    try:
        for _ in range(3):
            answer = await poster.post(f"{url}/{status}", b"rows", {})
            assert (answer.status, answer.body) == (status, b"said")
        assert requests() == before
    finally:
        gc.enable()
        await poster.aclose()


def requests() -> int:
    return sum(isinstance(one, httpx.Request | httpx.Response) for one in gc.get_objects())
