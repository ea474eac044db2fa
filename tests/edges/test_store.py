"""The store: every batch once, answers that add up, whatever happens to the file."""

import asyncio
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.edges import EdgeStore, Reader, Retention, Window
from telemetry.edges.window import cover
from telemetry.errors import Retry, StartError
from telemetry.processors.edge_slots import OTHER
from tests.edges.rows import edge, edges
from tests.rows import NOW_NS, SECOND_NS

NOW_S = NOW_NS // SECOND_NS
HOUR = Window(NOW_S - 3600, NOW_S + 3600)


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


@asynccontextmanager
async def store(path: Path | None = None, **options: Any) -> AsyncIterator[EdgeStore]:
    async with EdgeStore(path, clock_ns=options.pop("clock", Clock()), **options) as made:
        yield made


def at(second: float, **more: Any) -> dict[str, Any]:
    start = NOW_NS + int(second * SECOND_NS)
    return {"start": start, "time": start + 10 * SECOND_NS, "last_seen": start, **more}


async def total(store: EdgeStore, column: str = "requests", window: Window = HOUR) -> int:
    def question(reader: Reader) -> int:
        return int(reader.summed("sums", reader.aligned(window), [column])[column].sum())

    return await store.ask(question)


async def test_what_was_exported_is_found_again() -> None:
    async with store() as kept:
        await kept.export(edges(edge(requests=3), edge("cron", requests=2)))
        named = await kept.ask(
            lambda reader: reader.summed("sums", reader.aligned(HOUR)).join(reader.edges(), on="edge", how="left")
        )
        assert dict(zip(named["source.workload.name"], named["requests"], strict=True)) == {"web": 3, "cron": 2}
        assert named["latency.sum_ms"].sum() == 50
        assert named["bucket_3"].sum() == 5


async def test_a_batch_that_comes_twice_counts_once() -> None:
    async with store() as kept:
        for _ in range(3):
            await kept.export(edges(edge(requests=3)))
        assert await total(kept) == 3
        assert kept.counts["duplicate"] == 2


async def test_pieces_of_one_batch_are_each_counted_once() -> None:
    async with store() as kept:
        whole = edges(edge(requests=3), edge("cron", requests=2), edge("job", requests=1))
        for piece in (whole.slice(0, 1), whole.slice(1, 2), whole.slice(0, 1)):
            await kept.export(piece)
        assert await total(kept) == 6


async def test_batches_of_one_number_and_another_epoch_are_others() -> None:
    async with store() as kept:
        await kept.export(edges(edge(requests=3), epoch=1))
        await kept.export(edges(edge(requests=3), epoch=2))
        assert await total(kept) == 6


async def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "edges.db"
    async with store(path) as kept:
        await kept.export(edges(edge(requests=3, server_errors=1)))
    async with store(path) as again:
        await again.export(edges(edge(requests=3)))
        await again.export(edges(edge(requests=4), sequence=2))
        assert await total(again) == 7
        (known,) = again.known()
        assert (known.secure, known.failed, len(again)) == (True, True, 1)
        assert known.source_principals == ("spiffe://cluster.local/ns/default/sa/web",)


async def test_edges_and_parts_are_summed_by_what_tells_them_apart() -> None:
    def row(code: int, count: int) -> dict[str, Any]:
        return edge(responses=[{"code": code, "grpc_status": None, "flags": "-", "count": count}])

    async with store() as kept:
        await kept.export(edges(row(200, 1), sequence=1))
        await kept.export(edges(row(200, 2), sequence=2))
        await kept.export(edges(row(503, 4), sequence=3))
        summed = await kept.ask(lambda reader: reader.summed("responses", reader.aligned(HOUR)))
        assert dict(zip(summed["code"], summed["count"], strict=True)) == {200: 3, 503: 4}
        assert (await kept.ask(lambda reader: reader.summed("blame", reader.aligned(HOUR)))).is_empty()


async def test_a_window_takes_whole_minutes_and_no_others() -> None:
    async with store() as kept:
        for minute in range(30):
            await kept.export(edges(edge(requests=1, **at(minute * 60)), sequence=minute))
        first = NOW_S // 60 * 60
        assert await total(kept, window=Window(first + 300, first + 600)) == 5
        assert await total(kept, window=Window(first + 301, first + 599)) == 5
        assert await total(kept, window=Window(first, first + 1800)) == 30


async def test_steps_are_the_window_in_order() -> None:
    async with store() as kept:
        for minute in range(10):
            await kept.export(edges(edge(requests=minute, **at(minute * 60)), sequence=minute))
        first = NOW_S // 60 * 60

        def question(reader: Reader) -> list[int]:
            steps = reader.steps("sums", Window(first, first + 600), 120, ["requests"])
            return [int(frame["requests"].sum()) for _, frame in steps]

        assert sum(await kept.ask(question)) == 45
        assert len(await kept.ask(question)) in (5, 6)


async def test_old_minutes_become_ten_minutes_and_then_hours_and_nothing_is_lost_but_detail(tmp_path: Path) -> None:
    clock = Clock()
    retention = Retention(minutes_s=3600, ten_minutes_s=4 * 3600, hours_s=100 * 3600)
    async with store(tmp_path / "edges.db", retention=retention, clock=clock) as kept:
        for number in range(12 * 6):
            clock.now_ns = NOW_NS + number * 600 * SECOND_NS
            await kept.export(edges(edge(requests=1, **at(number * 600)), sequence=number))
        assert kept.counts["expired"] > 0
        end = clock.now_ns / 1e9
        assert await total(kept, window=Window(NOW_S - 3600, end + 600)) == 72
        widened = await kept.ask(lambda reader: reader.aligned(Window(NOW_S + 1800, end)))
        assert widened.start_s % 3600 == 0, "where only hours are left, a window begins with one"
        recent = await kept.ask(lambda reader: reader.aligned(Window(end - 600, end)))
        assert recent.start_s > end - 660


async def test_bytes_bound_the_file_and_the_finest_go_first(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path / "edges.db", retention=Retention(max_bytes=400_000), clock=clock) as kept:
        for number in range(40):
            clock.now_ns = NOW_NS + number * 1800 * SECOND_NS
            rows = [edge(f"client{at_}", requests=1, **at(number * 1800)) for at_ in range(60)]
            await kept.export(edges(*rows, sequence=number))
        assert kept.counts["full"] > 0
        assert kept.size_bytes <= 400_000
        assert await total(kept, window=Window(clock.now_ns / 1e9 - 1800, clock.now_ns / 1e9 + 60)) >= 120


async def test_of_too_many_edges_the_longest_unused_make_room_and_count_as_other() -> None:
    async with store(max_edges=20) as kept:
        for number in range(50):
            await kept.export(edges(edge(f"client{number}", requests=1, **at(number)), sequence=number))
        assert len(kept) <= 20
        assert await total(kept) == 50
        named = await kept.ask(
            lambda reader: reader.summed("sums", reader.aligned(HOUR), ["requests"]).join(reader.edges(), on="edge")
        )
        of = dict(zip(named["source.workload.name"], named["requests"], strict=True))
        assert of["client49"] == 1
        assert of[OTHER] == 50 - len(kept)


async def test_a_damaged_file_is_set_aside_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "edges.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8192)
    async with store(path) as kept:
        await kept.export(edges(edge(requests=3)))
        assert await total(kept) == 3
        assert kept.counts["damaged"] == 1
    assert [one for one in os.listdir(tmp_path) if one.startswith("edges.db.damaged-")]


async def test_a_file_of_a_later_version_is_not_touched_but_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "edges.db"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 999")
    other.close()
    async with store(path) as kept:
        assert kept.counts["damaged"] == 1


async def test_a_file_damaged_while_it_is_used_is_set_aside_and_the_batch_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "edges.db"
    async with store(path) as kept:
        for number in range(5):
            await kept.export(edges(edge(requests=3), sequence=number))
    # Pages in the middle are lost, as by a bad disk; the header stays.
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * (size - 4096))
    async with store(path) as kept:
        await kept.export(edges(edge(requests=4), sequence=100))
        assert await total(kept) == 4
        assert kept.counts["damaged"] == 1


async def test_a_place_that_cannot_be_written_fails_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartError, match=r"edges\.path"):
        async with store(tmp_path / "file" / "edges.db"):
            pass


async def test_a_locked_file_is_a_retry_and_the_batch_is_then_taken_whole(tmp_path: Path) -> None:
    path = tmp_path / "edges.db"
    async with store(path) as kept:
        await kept.export(edges(edge(requests=1)))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Retry, match="edges"):
            await kept.export(edges(edge("late", requests=2), sequence=2))
        holder.execute("ROLLBACK")
        holder.close()
        await kept.export(edges(edge("late", requests=2), sequence=2))
        assert await total(kept) == 3
        assert len(kept) == 2


async def test_a_disk_that_is_full_is_a_retry_and_nothing_is_half_there(tmp_path: Path) -> None:
    async with store(tmp_path / "edges.db") as kept:
        await kept.export(edges(edge(requests=1)))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(Retry, match="needs room"):
                await kept.export(edges(edge("late", requests=2), sequence=2))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert await total(kept) == 1
        await kept.export(edges(edge("late", requests=2), sequence=2))
        assert await total(kept) == 3


async def test_exports_at_the_same_time_are_each_taken_once() -> None:
    async with store() as kept:
        batches = [edges(edge(requests=1, **at(number * 7)), sequence=number) for number in range(40)]
        await asyncio.gather(*(kept.export(batch) for batch in batches * 2))
        assert await total(kept) == 40


async def test_hostile_names_come_back_as_they_went() -> None:
    hostile = ['"', "a\nb", "a\x00b", "🕸️", "x" * 100_000, "", "';DROP TABLE edges;--"]
    async with store() as kept:
        await kept.export(edges(*(edge(name, requests=1) for name in hostile)))
        found = await kept.ask(lambda reader: reader.edges()["source.workload.name"].to_list())
        assert sorted(found[1:]) == sorted(hostile)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5000), st.sampled_from([{}, {60: 7200}, {60: 10800, 600: 3600}]))
def test_the_segments_of_a_window_cover_it_exactly(start: int, length: int, kept: dict[int, int]) -> None:
    window = Window(start, start + length).aligned(kept)
    segments = list(cover(window, kept))
    assert window.start_s <= start
    assert window.end_s >= start + length
    assert segments[0][1] == window.start_s
    assert all(one[0] + one[1] == other[1] for one, other in pairwise(segments))
    assert sum(segments[-1]) == window.end_s
    assert all(at_ % span == 0 for span, at_ in segments)
    assert all(at_ >= kept.get(span, 0) for span, at_ in segments)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7200), st.integers(0, 5)), min_size=1, max_size=25), st.integers(0, 7200))
def test_any_window_sums_what_began_in_its_minutes(seen: list[tuple[int, int]], split: int) -> None:
    async def run(check: Callable[[int, int], None]) -> None:
        clock = Clock()
        async with store(clock=clock) as kept:
            for number, (second, requests) in enumerate(seen):
                clock.now_ns = NOW_NS + (second + 3600) * SECOND_NS
                await kept.export(edges(edge(requests=requests, **at(second)), sequence=number))
            border = (NOW_S + split) // 60 * 60
            before = await total(kept, window=Window(NOW_S // 60 * 60 - 60, border))
            after = await total(kept, window=Window(border, NOW_S + 7200 + 3600))
            check(before, after)

    def check(before: int, after: int) -> None:
        border = (NOW_S + split) // 60 * 60
        assert before == sum(requests for second, requests in seen if NOW_S + second < border)
        assert before + after == sum(requests for _, requests in seen)

    asyncio.run(run(check))


def test_frames_of_other_columns_are_never_summed_by_accident() -> None:
    from telemetry.edges.parts import KEYS, PART_SCHEMAS

    for part, keys in KEYS.items():
        others = [dtype for name, dtype in PART_SCHEMAS[part].items() if name not in keys]
        assert all(dtype in (pl.UInt64, pl.Float64) for dtype in others), part
