"""Grouping by narrow keys is exact."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.processors.groups import group

BOUNDS = np.array([1.0, 5.0, 10.0])
ROW = st.tuples(st.integers(0, 5), st.integers(0, 1000), st.integers(0, (1 << 62) - 1))


@given(st.lists(ROW, min_size=1, max_size=60))
def test_rows_share_a_group_exactly_when_all_keys_agree(rows):
    groups = group(*(np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)))
    for at, row in enumerate(rows):
        for other, other_row in enumerate(rows):
            assert (groups.of_row[at] == groups.of_row[other]) == (row == other_row)
    assert len(groups) == len(set(rows))


@given(st.lists(ROW, min_size=1, max_size=60))
def test_a_group_is_represented_by_its_earliest_row(rows):
    groups = group(*(np.array(column, dtype=np.uint64) for column in zip(*rows, strict=True)))
    assert [rows.index(rows[at]) for at in groups.first] == groups.first.tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 20)), min_size=1, max_size=60))
def test_histograms_count_every_value_in_the_first_bucket_that_holds_it(rows):
    keys, values = (np.array(column) for column in zip(*rows, strict=True))
    groups = group(keys)
    counts = groups.histogram(values.astype(float), np.ones(len(values), dtype=bool), BOUNDS)
    assert counts.sum() == len(rows)
    cumulative = counts.cumsum(axis=1)
    for at in range(len(groups)):
        own = values[groups.of_row == at]
        assert cumulative[at].tolist() == [(own <= bound).sum() for bound in (*BOUNDS, np.inf)]
