"""Dead letters come back as they went in, take no more room than they may, and hide nothing that happens to them."""

import os
import stat
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import Batch
from telemetry.dead_letters import DeadLetters, Unreadable, read
from telemetry.errors import Rejected
from telemetry.journal.memory import MemoryJournal
from telemetry.selfmetrics import SelfMetrics
from tests.delivery.sinks import ROOMY, Sink, delivery, run_until_delivered
from tests.rows import NOW_NS, logentries, metrics

MIB = 1 << 20


class Ticking:
    """A clock that moves by a second at each look."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        return self.now_ns


def letters(folder: Path, max_bytes: int = 16 * MIB, handler: str = "sink") -> DeadLetters:
    return DeadLetters(folder, handler, SelfMetrics(), max_bytes=max_bytes, clock_ns=Ticking())


def sample(box: DeadLetters, metric: str, handler: str = "sink") -> float:
    return box._metrics.registry.get_sample_value(metric, {"handler": handler}) or 0.0


ENTRY = {"request.headers": [{"key": "a", "value": 'q"\n\0😀'}], "request.path": "/" + "x" * 100_000}


@pytest.mark.parametrize(
    "batch",
    [logentries(ENTRY, {}, ENTRY), metrics(1, 2, 3), metrics(*range(9)).take(pl.Series([1, 4, 8]))],
    ids=["entries", "metrics", "some rows"],
)
def test_a_letter_comes_back_as_it_went_in(tmp_path, batch: Batch):
    box = letters(tmp_path)
    box(batch, ["bad", 'wor\nse "', "💥"])
    [kept] = box.files()
    letter = read(kept.path)
    assert letter.batch.rows.equals(batch.rows)
    assert letter.batch.rows.schema == batch.rows.schema
    assert letter.batch.row_numbers.to_list() == batch.row_numbers.to_list()
    same = ("template", "receiver", "epoch", "sequence")
    assert [getattr(letter.batch, name) for name in same] == [getattr(batch, name) for name in same]
    assert (letter.handler, list(letter.reasons), kept.rows) == ("sink", ["bad", 'wor\nse "', "💥"], 3)
    assert letter.time_ns == NOW_NS + 1_000_000_000


def test_any_reader_of_arrow_sees_who_refused_which_row_and_why(tmp_path):
    box = letters(tmp_path)
    box(metrics(1, 2), ["one", "two"])
    frame = pl.read_ipc(box.files()[0].path)
    assert frame["dead_letter.reason"].to_list() == ["one", "two"]
    assert frame["dead_letter.handler"].to_list() == ["sink", "sink"]


def test_files_are_for_their_owner_only(tmp_path):
    box = letters(tmp_path)
    box(metrics(1), ["bad"])
    [kept] = box.files()
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700


@given(handler=st.text(max_size=200))
def test_no_name_leads_out_of_the_folder(handler, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "letters"
    box = letters(folder, handler=handler)
    box(metrics(1), ["../../etc/passwd\0\n"])
    kept = box.files()[-1]
    assert kept.path.parent.parent == folder
    assert kept.path.name.isascii()
    kept.path.unlink()


def test_the_oldest_go_for_the_newest_and_are_counted(tmp_path):
    box = letters(tmp_path)
    box(metrics(1, 2), ["bad"] * 2)
    size_bytes = box.files()[0].size_bytes
    small = letters(tmp_path, max_bytes=3 * size_bytes)
    for sequence in range(5):
        small(metrics(sequence, sequence, sequence=sequence), ["bad"] * 2)
    sequences = [read(kept.path).batch.sequence for kept in small.files()]
    assert sequences == sorted(sequences)
    assert sequences[-1] == 4
    assert sum(kept.size_bytes for kept in small.files()) <= 3 * size_bytes
    given_up = sample(small, "telemetry_dead_letters_given_up_rows_total")
    assert given_up == 2 * (6 - len(sequences))
    small.measure()
    assert sample(small, "telemetry_dead_letters_files") == len(sequences)


def test_what_alone_is_larger_than_the_room_is_refused_and_takes_no_other_s_place(tmp_path):
    box = letters(tmp_path, max_bytes=20 * 1024)
    box(metrics(1), ["bad"])
    with pytest.raises(OSError, match=r"dead_letters\.max_bytes"):
        box(logentries({}), ["bad"])  # 140 columns, 46 KiB
    assert len(box.files()) == 1


def test_a_file_that_is_damaged_is_named_and_never_parsed(tmp_path):
    box = letters(tmp_path)
    box(metrics(1), ["bad"])
    [kept] = box.files()
    content = bytearray(kept.path.read_bytes())
    content[len(content) // 2] ^= 1
    kept.path.write_bytes(content)
    with pytest.raises(Unreadable, match="damaged"):
        read(kept.path)


@pytest.mark.parametrize("content", [b"", b"not arrow", b"ARROW1\0\0"])
def test_a_file_of_something_else_is_unreadable(tmp_path, content):
    path = tmp_path / "mine.arrow"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=r"mine\.arrow"):
        read(path)


def test_an_arrow_file_of_something_else_is_unreadable(tmp_path):
    path = tmp_path / "mine.arrow"
    pl.DataFrame({"a": [1]}).write_ipc(path)
    with pytest.raises(Unreadable, match=r"mine\.arrow"):
        read(path)


def test_what_a_killed_process_left_behind_goes_at_the_next_start(tmp_path):
    box = letters(tmp_path)
    box(metrics(1), ["bad"])
    left = box.folder / "20261121T120000.000000Z-metric-1rows-00000000.arrow.partial"
    left.write_bytes(b"half")
    assert len(letters(tmp_path).files()) == 1
    assert left.exists()  # someone may be writing it
    os.utime(left, (0, 0))
    letters(tmp_path)
    assert not left.exists()


async def test_a_folder_that_can_not_be_written_costs_the_rows_not_the_delivery(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([Rejected("no")]), journal, dead_letters=letters(blocked))
    await journal.append([metrics(1), metrics(2)])
    await run_until_delivered(one)
    assert one.account().dropped_by == {"dead_letter_failed": 1}
    assert one.account().delivered == 1


async def test_a_rejected_batch_lies_in_the_handler_s_folder_and_shows_in_its_status(tmp_path):
    journal, box = MemoryJournal(max_bytes=ROOMY), letters(tmp_path)
    one = delivery(Sink([Rejected("no such topic")]), journal, dead_letters=box)
    await journal.append([metrics(1, 2)])
    await run_until_delivered(one)
    [kept] = box.files()
    assert read(kept.path).reasons == ["Rejected: no such topic"] * 2
    assert one.status().dead_letters == str(tmp_path / "sink")
    assert sample(box, "telemetry_dead_letters_files") == 1
