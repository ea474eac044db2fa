"""Rows have one word if they agree in all that was told, in whichever chunk they come."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.columns import Columns
from telemetry.node import Node
from telemetry.processors.words import Words

NODES = [Node(id=name, cluster="", metadata={}, version="", log_name="") for name in "abc"]
TEXTS, NUMBERS = ("route", "sni"), ("client", "server")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        *(st.sampled_from([None, "x", "y"]) for _ in TEXTS),
        *(st.sampled_from([None, "1", "2"]) for _ in NUMBERS),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


def columns(rows, *, reverse=False) -> Columns:
    """Encode the rows as a decoder does: codes by the order in which values are met, none for what is absent."""
    codes: dict[str, list[int | None]] = {"node": [row[0] for row in rows]}
    dictionaries = {}
    for at, name in enumerate((*TEXTS, *NUMBERS), start=1):
        values = sorted({row[at] for row in rows if row[at] is not None}, reverse=reverse)
        codes[name] = [None if row[at] is None else values.index(row[at]) for row in rows]
        dictionaries[name] = pl.Series(values, dtype=pl.String)
    return Columns(pl.DataFrame(codes, schema=dict.fromkeys(codes, pl.UInt32)), dictionaries)


def words(rows, *, reverse=False, where=None) -> list[int]:
    told = Words(columns(rows, reverse=reverse), NODES, (*TEXTS, *NUMBERS), seed=1)
    told.tell_node(lambda node: node.number)
    told.tell_small(np.array([row[-1] for row in rows], np.uint8))
    for name in NUMBERS:
        # As addresses: 1 means something, 2 nothing.
        told.tell_value(name, lambda value: value == "1", absent=9 if name == "server" else 0)
    told.tell_text("route")
    told.tell_text("sni", where=where)
    return told.word.tolist()


def clues(row):
    node, route, sni, client, server, small = row
    return node, route, sni, client == "1", None if server is None else server == "1", small


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_words_are_equal_where_clues_are(rows):
    found = words(rows)
    for one, row in zip(found, rows, strict=True):
        for other, another in zip(found, rows, strict=True):
            assert (one == other) == (clues(row) == clues(another))


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_a_row_has_the_same_word_in_every_chunk(rows):
    assert words(rows, reverse=True) == words(rows)
    assert [words([row])[0] for row in rows] == words(rows)


def test_a_text_counts_only_where_it_matters():
    rows = [(0, "x", "x", None, None, 0), (0, "x", "y", None, None, 0)]
    one, other = words(rows, where=np.array([False, False]))
    assert one == other
    one, other = words(rows, where=np.array([True, False]))
    assert one != other
