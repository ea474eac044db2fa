"""A poster whose requests are interrupted at any moment goes on working: it hands over to nobody who hangs."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from telemetry.errors import Retry
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles
from tests.faults.sink import Certificates, Mood, Sink

BODY = b'{"receiver": "r", "epoch": 1, "sequence": 1, "rows": []}'


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[Sink]:
    async with Sink(Certificates(tmp_path)) as sink:
        yield sink


async def interrupted(poster: HttpPoster, url: str, random: Random, times: int) -> None:
    for _ in range(times):
        try:
            async with asyncio.timeout(random.choice([0.0005, 0.002, 0.005, 0.01, 0.03])):
                await poster.post(url, BODY, {})
        except (TimeoutError, Retry):
            pass


# A connection that is cancelled while it is made is left to the garbage collector by httpcore and anyio.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_requests_that_are_cancelled_at_any_moment_cost_no_later_one(sink: Sink, tmp_path: Path) -> None:
    random = Random(1)
    poster = HttpPoster(TlsFiles(tmp_path / "ca.pem"), timeout_s=10, max_answer_bytes=1000)
    for mood in (Mood.HANG, Mood.CLOSE, Mood.EXPIRED, Mood.WORK, Mood.FORGET, Mood.HANG):
        await sink.behave(mood)
        url = f"https://localhost:{sink.port}/rows"
        await asyncio.gather(*(interrupted(poster, url, random, 40) for _ in range(4)))
    await sink.behave(Mood.WORK)
    answers = await asyncio.gather(*(poster.post(url, BODY, {}) for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    await poster.aclose()
    gc.collect()  # here, where it is known what is left open
