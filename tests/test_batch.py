"""Some rows of a batch: whichever way they are chosen, they are the same."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from telemetry.batch import Batch, Template, fault_of
from telemetry.testing import batch_of


def of_one_column(values: pl.Series) -> Batch:
    return Batch(Template.LOGENTRY, values.alias("only").to_frame(), "test", 1, 1)


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_a_mask_takes_the_rows_that_positions_take(template, share):
    batch = batch_of(template, 300).slice(7, 250)
    mask = pl.Series(np.random.default_rng(1).random(250) < share)
    taken, positioned = batch.take(mask), batch.take(mask.arg_true())
    assert_frame_equal(taken.rows, positioned.rows)
    assert taken.row_numbers.to_list() == positioned.row_numbers.to_list()
    assert taken.row_numbers.to_list() == [7 + at for at, chosen in enumerate(mask.to_list()) if chosen]
    assert fault_of(taken) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), max_size=20), st.sampled_from([pl.Null, pl.String, pl.List(pl.Int64)]))
def test_a_mask_works_whatever_kinds_of_column_there_are(chosen, dtype):
    mask = pl.Series(chosen, dtype=pl.Boolean)
    nulls = of_one_column(pl.Series([None] * len(chosen), dtype=dtype))
    assert nulls.take(mask).rows["only"].to_list() == [None] * sum(chosen)
    lists = of_one_column(pl.Series([[at] for at in range(len(chosen))], dtype=pl.List(pl.Int64)))
    assert lists.take(mask).rows["only"].to_list() == [[at] for at, one in enumerate(chosen) if one]
