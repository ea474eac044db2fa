"""What joining and spans are built on: hashes, hex digits as bytes, orders and memories, against what is plainly so."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from telemetry.processors.hops.hashes import among, combined, distinct, request_ids, sorted_out
from telemetry.processors.hops.matching import by_key_and_time
from telemetry.processors.hops.octets import are_hexadecimal, octets, texts
from telemetry.processors.hops.reporters import Reporters
from telemetry.processors.spans.identifiers import hexadecimal, trace_ids

numbers = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)
few_or_many = st.one_of(st.lists(st.integers(0, 5), min_size=1, max_size=40), numbers)
UUID = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


@given(few_or_many)
def test_distinct_keys_are_numbered_and_each_has_a_place_where_it_stands(values: list[int]) -> None:
    keys = np.array(values, np.uint64)
    for places, number in (distinct(keys), sorted_out(keys)):
        assert len(places) == len(set(values))
        assert (keys[places][number] == keys).all()


@given(few_or_many, few_or_many)
def test_keys_are_found_among_others(keys: list[int], others: list[int]) -> None:
    found = among(np.array(keys, np.uint64), np.array(others, np.uint64))
    assert found.tolist() == [key in others for key in keys]


def test_keys_that_only_look_alike_are_not_found() -> None:
    same_low_bits = np.array([1 << 40, 1 << 41, 5], np.uint64)
    assert among(same_low_bits, np.array([1 << 42, 5], np.uint64)).tolist() == [False, False, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**62)), min_size=1, max_size=40))
def test_the_order_by_key_and_time_is_that_of_sorting_by_both(rows: list[tuple[int, int]]) -> None:
    key, time = (np.array(side) for side in zip(*rows, strict=True))
    order = by_key_and_time(key.astype(np.uint64), time)
    assert [rows[at] for at in order] == sorted(rows)


@given(st.text(st.characters(max_codepoint=127), min_size=16, max_size=16))
def test_hex_digits_are_told_from_all_other_characters(text: str) -> None:
    rows = octets(pl.Series([text]), 16)
    assert rows is not None
    assert are_hexadecimal(rows) == all(one in "0123456789abcdefABCDEF" for one in text)
    assert texts(rows).to_list() == [text]


def test_only_texts_of_one_width_can_be_rows_of_bytes() -> None:
    rows = octets(pl.Series(["ab", "é"]), 2)
    assert rows is not None
    assert rows.tolist() == [[0x61, 0x62], [0xC3, 0xA9]]
    assert octets(pl.Series(["ab", None]), 2) is None
    assert octets(pl.Series(["ab", "abc"]), 2) is None


@given(numbers)
def test_ids_are_written_as_sixteen_digits_and_never_as_nought(values: list[int]) -> None:
    assert hexadecimal(np.array(values, np.uint64)).to_list() == [f"{max(value, 1):016x}" for value in values]


def test_a_hash_does_not_depend_on_how_many_are_made_at_once() -> None:
    rows = np.arange(70_000, dtype=np.uint64)
    apart = [combined(rows[at : at + 10_000], rows[at : at + 10_000] % 2 == 0) for at in range(0, 70_000, 10_000)]
    assert (combined(rows, rows % 2 == 0) == np.concatenate(apart)).all()


def test_the_order_of_parts_and_the_seed_count() -> None:
    one, other = np.array([1], np.uint64), np.array([2], np.uint64)
    hashes = [combined(one, other), combined(other, one), combined(one, other, seed=1)]
    assert len({int(some[0]) for some in hashes}) == 3


def test_a_request_id_has_one_hash_whatever_stands_beside_it() -> None:
    alone = request_ids(pl.Series([UUID]), 7)[0]
    among_others = request_ids(pl.Series(["x", None, UUID, UUID[:14] + "9" + UUID[15:]]), 7)
    assert among_others[1] == 0
    assert among_others[2] == among_others[3] == alone
    assert len(set(among_others.tolist())) == 3


def test_a_trace_s_id_is_the_request_id_s_digits_whatever_stands_beside_it() -> None:
    otherwise = np.array([5, 5], np.uint64)
    alone = trace_ids(pl.Series([UUID.upper(), UUID]), otherwise).to_list()
    assert alone == [UUID.replace("-", "")] * 2
    assert trace_ids(pl.Series([UUID, "x"]), otherwise).to_list()[0] == alone[0]


def test_of_more_reporters_than_fit_those_last_heard_of_are_remembered() -> None:
    reporters = Reporters(limit=2)
    for at, whom in enumerate((10, 20, 30), start=1):
        reporters.note(np.array([whom, whom], np.uint64), at)
    assert len(reporters) == 2
    assert reporters.since(np.array([10, 20, 30, 40], np.uint64), 1).tolist() == [False, True, True, False]
    assert reporters.since(np.array([20, 30], np.uint64), 2).tolist() == [False, True]
