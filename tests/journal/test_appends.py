"""Appends that come together are written together; everyone is told how it went."""

import pytest

from telemetry.journal.appends import Appends
from tests.rows import metrics

ONE, TWO, THREE = (metrics(sequence, sequence=sequence) for sequence in (1, 2, 3))


async def test_what_waits_is_one_group_in_the_order_it_came():
    appends = Appends()
    first, second = appends.put([ONE, TWO], [b"1", b"2"]), appends.put([THREE], [b"3"])
    assert appends.begin() == [(ONE, b"1"), (TWO, b"2"), (THREE, b"3")]
    assert appends.begin() == [], "it is written once"
    first, second = appends.put([ONE], [b"1"]), appends.put([TWO], [b"2"])
    appends.begin()
    late = appends.put([THREE], [b"3"])
    appends.written(7)
    assert (first.result(), second.result(), late.done()) == (7, 7, False)


async def test_what_was_cancelled_before_is_not_written():
    appends = Appends()
    appends.put([ONE], [b"1"]).cancel()
    kept = appends.put([TWO], [b"2"])
    assert appends.begin() == [(TWO, b"2")]
    kept.cancel()
    appends.written(2)


async def test_when_nothing_more_is_written_all_who_wait_are_told():
    appends = Appends()
    writing = appends.put([ONE], [b"1"])
    appends.begin()
    waiting = appends.put([TWO], [b"2"])
    appends.fail(RuntimeError("the journal was closed"))
    for done in (writing, waiting):
        with pytest.raises(RuntimeError, match="closed"):
            await done
