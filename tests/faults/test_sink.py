"""The sinks of the fault suite fail in every way, but never say that they have what they haven't."""

import asyncio
import ssl
from pathlib import Path

import httpx
import orjson
import pytest

from tests.faults.oracle import Row
from tests.faults.sink import Certificates, Mood, Sink

ROWS = [[number, f"id-{number}", "/p", 200, "agent", 4] for number in range(24)]


async def answer(sink: Sink, ca: Path) -> httpx.Response | None:
    """What it answers to these rows, None where there is no whole answer within a moment."""
    body = orjson.dumps({"receiver": "me", "epoch": 1, "sequence": 1, "rows": ROWS})
    context = ssl.create_default_context(cafile=str(ca))
    async with httpx.AsyncClient(verify=context, timeout=0.5) as client:
        try:
            return await client.post(f"https://localhost:{sink.port}/rows", content=body)
        except httpx.TransportError:
            return None


@pytest.mark.parametrize("mood", Mood)
async def test_what_it_says_it_has_it_has(mood: Mood, tmp_path: Path):
    async with Sink(Certificates(tmp_path)) as sink:
        await sink.behave(mood)
        said = await answer(sink, tmp_path / "ca.pem")
        has = {row.identity.row for row in sink.rows}
        if said is not None and said.status_code == 200:
            refused = {*said.json()["retry"], *said.json()["rejected"]}
            assert mood in (Mood.WORK, Mood.PARTIAL)
            assert has == set(range(len(ROWS))) - refused
        else:
            assert mood not in (Mood.WORK, Mood.PARTIAL)
            assert has == (set(range(len(ROWS))) if mood is Mood.FORGET else set())


@pytest.mark.parametrize("mood", [one for one in Mood if one not in (Mood.WORK, Mood.REFUSE)])
async def test_a_request_that_failed_is_counted_by_mood(mood: Mood, tmp_path: Path):
    async with Sink(Certificates(tmp_path)) as sink:
        await sink.behave(mood)
        await answer(sink, tmp_path / "ca.pem")
        async with asyncio.timeout(5):
            while not sink.has_failed:
                await asyncio.sleep(0)
        assert sink.failures == {mood: 1}


async def test_a_sink_that_works_again_has_the_rows_twice(tmp_path: Path):
    async with Sink(Certificates(tmp_path)) as sink:
        for mood in (Mood.FORGET, Mood.WORK):
            await sink.behave(mood)
            await answer(sink, tmp_path / "ca.pem")
        assert len(sink.rows) == 2 * len(ROWS)
        assert len(set(sink.rows)) == len(ROWS)
        assert isinstance(sink.rows[0], Row)
