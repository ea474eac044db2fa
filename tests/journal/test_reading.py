"""What a cursor reads comes in order, from memory or the disk, and never all at once."""

import pytest
from structlog.testing import capture_logs

from telemetry.batch import Template
from telemetry.journal.cursors import Record
from telemetry.journal.encoding import Encoder
from telemetry.journal.reading import Reading
from telemetry.journal.tail import Tail
from tests.rows import metrics

MIB = 1 << 20


class Bodies:
    """A disk that has these; remembers what was asked for."""

    def __init__(self, bodies: dict[int, bytes]) -> None:
        self.bodies = bodies
        self.asked: list[int] = []

    async def body(self, record: Record) -> bytes | None:
        self.asked.append(record.offset)
        return self.bodies.get(record.offset)


def record(offset: int, size_bytes: int = 1000) -> Record:
    return Record(offset, Template.METRIC, 1, size_bytes, 0)


@pytest.fixture
def bodies() -> dict[int, bytes]:
    return {offset: Encoder().encode(metrics(offset, sequence=offset)).whole for offset in range(1, 9)}


@pytest.fixture
def tail() -> Tail:
    return Tail(MIB)


async def fetched(disk: Bodies, tail: Tail, records: list[Record]) -> list[tuple[int, int | None]]:
    reading = Reading(disk, tail)
    try:
        found = await reading.fetch(records)
    finally:
        reading.close()
    return [(one.offset, batch and batch.sequence) for one, batch in found]


async def test_batches_come_in_order_and_those_in_memory_without_the_disk(bodies, tail):
    disk = Bodies(bodies)
    tail.put(record(3), metrics(3, sequence=3))
    found = await fetched(disk, tail, [record(offset) for offset in range(1, 6)])
    assert found == [(offset, offset) for offset in range(1, 6)]
    assert disk.asked == [1, 2, 4, 5]


async def test_a_read_takes_only_so_much_from_the_disk_at_once(bodies, tail):
    disk = Bodies(bodies)
    found = await fetched(disk, tail, [record(offset, 4 * MIB) for offset in range(1, 9)])
    assert found == [(1, 1), (2, 2)]
    assert disk.asked == [1, 2]


async def test_one_batch_is_read_however_large_it_is(bodies, tail):
    assert await fetched(Bodies(bodies), tail, [record(1, 64 * MIB), record(2)]) == [(1, 1)]


async def test_what_is_not_there_or_not_understood_is_none_and_those_after_it_come(bodies, tail):
    del bodies[2]
    bodies[3] = b"not a batch"
    with capture_logs() as logs:
        found = await fetched(Bodies(bodies), tail, [record(offset) for offset in range(1, 5)])
    assert found == [(1, 1), (2, None), (3, None), (4, 4)]
    assert [line["offset"] for line in logs] == [3]
