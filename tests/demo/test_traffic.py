import asyncio
import random
import re

import pytest

from telemetry.demo.traffic import Traffic, traceparent
from telemetry.demo.waiting import holds_within

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
async def gateway(free_port):
    """A server that answers at once while `open_gate` is set; and the request heads that it got."""
    heads, open_gate = [], asyncio.Event()
    open_gate.set()
    writers = []

    async def answer(reader, writer):
        writers.append(writer)
        try:
            while True:
                heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                await open_gate.wait()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    yield f"http://127.0.0.1:{port}", heads, open_gate
    server.close()
    for writer in writers:
        writer.close()
    await server.wait_closed()


async def test_every_request_has_a_trace_of_its_own(gateway):
    url, heads, _ = gateway
    async with Traffic(url, per_s=200) as traffic:
        await asyncio.sleep(0.2)
    assert traffic.sent == len(heads) == traffic.answers[200]
    traces = {re.search(r"traceparent: (\S+)", head).group(1) for head in heads}
    assert len(traces) == traffic.sent > 5


async def test_traffic_that_cannot_keep_up_with_its_clock_still_stops(gateway):
    async with asyncio.timeout(20):
        async with Traffic(gateway[0], per_s=1e6) as traffic:
            await asyncio.sleep(0.1)
    assert traffic.sent == len(gateway[1]) == traffic.answers[200]


async def test_with_enough_answers_due_no_more_is_sent_and_that_is_counted(gateway):
    url, heads, open_gate = gateway
    open_gate.clear()

    async def skipping():
        return traffic.skipped > 0

    async with Traffic(url, per_s=2000, in_flight_limit=20) as traffic:
        assert await holds_within(skipping, deadline_s=10)
        assert traffic.sent == 20
        open_gate.set()
    assert traffic.sent == len(heads) == traffic.answers[200]


async def test_no_answer_counts_as_code_0(free_port):
    async with Traffic(f"http://127.0.0.1:{free_port()}", per_s=1e-6) as traffic:
        assert await traffic.ask() == 0
    assert traffic.answers[0] == traffic.sent


def test_a_traceparent_is_as_w3c_wants_it():
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent(random.Random(1)))
