"""A memo forgets, but never lies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.operations.memo import Memo

HASHES = st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 40), min_size=1, max_size=30)


@given(st.lists(HASHES, max_size=10))
def test_what_a_memo_knows_is_what_it_was_told(rounds: list[list[int]]) -> None:
    memo = Memo(3)
    for told in rounds:
        hashes = np.array(told, np.uint64)
        memo.put(hashes, (hashes % np.uint64(1_000_003)).astype(np.uint32))
        asked = np.array([one for hashes in rounds for one in hashes], np.uint64)
        numbers, known = memo.get(asked)
        assert (numbers[known] == asked[known] % 1_000_003).all()
        assert known.any()


def test_two_hashes_that_share_their_first_place_are_both_known() -> None:
    memo = Memo(4)
    hashes = np.array([1 + (2 << 32), 1 + (3 << 32)], np.uint64)
    for one in hashes:
        memo.put(np.array([one], np.uint64), np.array([one % 7], np.uint32))
    assert memo.get(hashes)[1].all()


def test_a_cleared_memo_knows_nothing() -> None:
    memo = Memo(4)
    hashes = np.arange(1, 10, dtype=np.uint64)
    memo.put(hashes, hashes.astype(np.uint32))
    memo.clear()
    assert not memo.get(hashes)[1].any()
