"""Metrics that share their rows and their labels: grouped once, told in a frame of METRIC rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES
from telemetry.processors.groups import Groups, Ints, group
from telemetry.processors.points import Fields

__all__ = ["Interval", "Points", "Table"]

Points = Callable[[pl.DataFrame, Groups], Iterator[Fields]]
"""Gives the columns of one metric after another; rows are those of the groups."""

_ORDER = list(SCHEMAS[Template.METRIC])
_NO_GRPC = 255
# What rows are grouped by, by what a label is made of: narrow integers instead of strings.
_NARROW = {
    "context.key": pl.col("context.key"),
    "response.code": pl.col("response.code").fill_null(0),
    "response.grpc_status": pl.col("response.grpc_status").fill_null(_NO_GRPC),
    "response.flags": pl.col("response.flags"),
}
_FOLLOWS = {**dict.fromkeys(CONTEXT_ATTRIBUTES, "context.key"), "context.proxy_error_code": "response.flags"}


@dataclass(frozen=True, slots=True)
class Interval:
    """From when to when the increases were received."""

    start_ns: int
    end_ns: int

    def columns(self) -> list[pl.Expr]:
        """Give the columns `start` and `time`."""
        return [pl.lit(self.start_ns).cast(TIMESTAMP).alias("start"), pl.lit(self.end_ns).cast(TIMESTAMP).alias("time")]


@dataclass(frozen=True)
class Table:
    """`rows`: which of the LOGENTRY rows; `labels`: String expressions, at least one; `uses`: what `points` looks at.

    `whole`: rows of different narrow keys may have the same labels, and stay apart: adapters add them up. Otherwise
    each label set has one row. `sparse`: groups whose value is NaN have none.
    """

    rows: pl.Expr
    labels: Mapping[str, pl.Expr]
    points: Points
    uses: frozenset[str]
    whole: bool = False
    sparse: bool = False

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns that it needs."""
        return frozenset(self.rows.meta.root_names()) | self.shows | self.uses | frozenset(self._narrow)

    @cached_property
    def shows(self) -> frozenset[str]:
        """Those of them that its labels are made of."""
        return frozenset(name for label in self.labels.values() for name in label.meta.root_names())

    @cached_property
    def _narrow(self) -> dict[str, pl.Expr]:
        needed = {_FOLLOWS.get(name, name) for name in self.shows}
        return {name: key for name, key in _NARROW.items() if name in needed}

    @cached_property
    def _wide(self) -> list[pl.Expr]:
        """The labels that no narrow key tells."""
        followed = {*_FOLLOWS, *_NARROW}
        return [label for label in self.labels.values() if not followed.issuperset(label.meta.root_names())]

    @cached_property
    def _all_depend(self) -> bool:
        return all(label.meta.root_names() for label in self.labels.values())

    def frame(self, entries: pl.DataFrame, interval: Interval, seed: int) -> pl.DataFrame | None:
        """Give METRIC rows of the entries, None when there are none. `seed` hashes series."""
        rows = entries.filter(self.rows)
        if rows.is_empty():
            return None
        groups = group(*self._keys(rows, seed))
        shared = self._series(rows, groups, seed)
        if not self.whole:
            _, first, number = np.unique(shared["series"].to_numpy(), return_index=True, return_inverse=True)
            groups, shared = Groups(number[groups.of_row], groups.first[first]), shared[first]
        frames = [shared.with_columns(columns) for columns in self.points(rows, groups)]
        # One chunk per metric, all over the same labels: nothing is copied.
        frame = pl.concat(frames, rechunk=False).with_columns(interval.columns()).select(_ORDER)
        return frame.filter(pl.col("value").is_not_nan()) if self.sparse else frame

    def _keys(self, rows: pl.DataFrame, seed: int) -> Iterator[Ints]:
        narrow = rows.select(**self._narrow)
        yield from (narrow[name].to_numpy() for name in self._narrow)
        for at, label in enumerate(self._wide):
            yield rows.select(label.hash(seed + at)).to_series().to_numpy()
        if not self._narrow and not self._wide:
            yield np.zeros(len(rows), dtype=np.int64)

    def _series(self, rows: pl.DataFrame, groups: Groups, seed: int) -> pl.DataFrame:
        shown = rows.select(pl.col(self.shows).gather(groups.first)) if self.shows else rows[groups.first]
        if self._all_depend:
            labels = shown.select(**self.labels)
        else:  # the same text for all is spread over the rows only beside other columns
            labels = shown.with_columns(**self.labels).select(*self.labels)
        return labels.select(labels=pl.struct(pl.all()), series=pl.struct(pl.all()).hash(seed))
