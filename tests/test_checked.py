"""A processor of somebody else's that breaks a batch costs its own work, not the service."""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl
import pytest

from telemetry.batch import Batch
from telemetry.checked import Checked
from tests.rows import logentries


class Theirs:
    """Does to the rows whatever it was given."""

    reads: frozenset[str] = frozenset({"request.path"})
    keeps_context = True
    fails_closed = True

    def __init__(self, change) -> None:
        self._change = change

    def process(self, batch: Batch) -> Iterable[Batch]:
        return [replace(batch, rows=self._change(batch.rows))]

    def flush(self, now_ns: int) -> Iterable[Batch]:
        return [replace(logentries({}), rows=self._change(logentries({}).rows))]


WRONG = {
    "another dtype": lambda rows: rows.with_columns(pl.col("response.code").cast(pl.Int64)),
    "a column less": lambda rows: rows.drop("request.path"),
    "a column more": lambda rows: rows.with_columns(pl.lit(1).alias("mine")),
    "another order": lambda rows: rows[rows.columns[::-1]],
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_has_not_the_columns_of_its_template_is_refused_by_name(change):
    theirs = Checked("theirs", Theirs(change))
    with pytest.raises(ValueError, match="processor theirs: logentry"):
        list(theirs.process(logentries({})))
    with pytest.raises(ValueError, match="processor theirs: logentry"):
        list(theirs.flush(0))


def test_what_is_right_passes_and_it_fails_closed_if_it_says_so_but_promises_nothing_of_contexts():
    theirs = Checked("theirs", Theirs(lambda rows: rows.with_columns(pl.lit("/").alias("request.path"))))
    [batch] = theirs.process(logentries({}))
    assert batch.rows["request.path"].to_list() == ["/"]
    assert (theirs.name, theirs.reads, theirs.fails_closed) == ("theirs", {"request.path"}, True)
    assert not hasattr(theirs, "keeps_context")
