"""Messages are gathered until full or due, and whoever brings too much waits."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.node import Node
from telemetry.receivers.coalesce import Chunk, Closed, Coalescer, Overloaded


def node(name: str) -> Node:
    return Node(id=name, cluster="", metadata={}, version="", log_name="")


def coalescer(max_delay_s=60.0, max_entries=1000, max_pending_bytes=1 << 20) -> Coalescer:
    return Coalescer(
        max_delay_s=max_delay_s, max_entries=max_entries, max_pending_bytes=max_pending_bytes, clock_ns=lambda: 42
    )


async def test_a_full_chunk_leaves_at_once():
    queue = coalescer(max_entries=3)
    a, b = node("a"), node("b")
    for content, sender in ((b"1", a), (b"2", b), (b"3", a)):
        await queue.put(content, sender, 1)
    chunk = await asyncio.wait_for(queue.take(), 5)
    assert chunk.messages == [b"1", b"2", b"3"]
    assert [chunk.distinct[index] for index in chunk.nodes] == [a, b, a]
    assert (chunk.entries, chunk.received_ns) == (3, 42)


async def test_a_lone_message_leaves_when_due():
    queue = coalescer(max_delay_s=0.02)
    await queue.put(b"x", node("a"), 1)
    began = asyncio.get_running_loop().time()
    assert (await asyncio.wait_for(queue.take(), 5)).messages == [b"x"]
    assert asyncio.get_running_loop().time() - began >= 0.01


async def test_a_message_with_more_entries_than_a_chunk_goes_alone():
    queue = coalescer(max_entries=10)
    await queue.put(b"small", node("a"), 4)
    await queue.put(b"huge", node("a"), 500)
    assert (await queue.take()).messages == [b"small"]
    assert (await queue.take()).messages == [b"huge"]


async def test_who_brings_more_than_may_wait_is_held_back_until_there_is_room():
    queue = coalescer(max_entries=1, max_pending_bytes=4)
    await queue.put(b"1234", node("a"), 1)
    blocked = asyncio.create_task(queue.put(b"5", node("a"), 1))
    await asyncio.sleep(0)
    assert not blocked.done()
    await queue.take()
    await asyncio.wait_for(blocked, 5)
    assert queue.pending_bytes == 1


async def test_after_close_what_waits_is_given_and_then_none():
    queue = coalescer()
    await queue.put(b"x", node("a"), 1)
    queue.close()
    assert (await asyncio.wait_for(queue.take(), 5)).messages == [b"x"]
    assert await asyncio.wait_for(queue.take(), 5) is None
    with pytest.raises(Closed):
        await queue.put(b"y", node("a"), 1)


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=60), max_entries=st.integers(1, 40))
def test_every_message_comes_out_once_in_order_and_chunks_stay_small(sizes, max_entries):
    async def scenario() -> None:
        queue, sender = coalescer(max_entries=max_entries), node("a")
        for at, size in enumerate(sizes):
            await queue.put(str(at).encode(), sender, size)
        queue.close()
        seen: list[bytes] = []
        while (chunk := await queue.take()) is not None:
            assert len(chunk.messages) == 1 or chunk.entries <= max_entries
            seen += chunk.messages
        assert seen == [str(at).encode() for at in range(len(sizes))]
        assert queue.pending_bytes == 0

    asyncio.run(scenario())


async def test_held_messages_are_bounded_too():
    queue = coalescer(max_delay_s=0.001, max_pending_bytes=10)
    await queue.put(b"x" * 10, node("a"), 1)
    waiting = [asyncio.create_task(queue.put(b"y" * 10, node("b"), 1)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await queue.put(b"z", node("c"), 1)
    taken = 0
    async with asyncio.timeout(5):
        while taken < 50:
            taken += sum(map(len, (await queue.take()).messages))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        await queue.put(b"z", node("c"), 1)


def test_a_chunk_comes_apart_by_sender():
    a, b = node("a"), node("b")
    messages = [b"1", b"2", b"3"]
    parts = Chunk(messages, [0, 1, 0], [a, b], [2, 1, 1], 42).by_sender()
    assert [(part.distinct, part.messages, part.entries, part.received_ns) for part in parts] == [
        ([a], [messages[0], messages[2]], 3, 42),
        ([b], [messages[1]], 1, 42),
    ]
