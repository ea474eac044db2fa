"""The series of one metric: running totals in columns, one row a series."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from telemetry.series.labels import NONE, OVERFLOW
from telemetry.series.points import Exemplars, Points

__all__ = ["Expiry", "Family", "Rows"]

_T = TypeVar("_T", bound=np.generic)
_EXEMPLAR_FIELDS = ("trace_id", "span_id", "exemplar_value", "exemplar_ns")
_EXEMPLAR_KEPT_NS = 10**9

Rows = NDArray[np.void]
"""A structured array with the fields of `_row_type`."""


def _row_type(buckets: int) -> np.dtype[Any]:
    """Give the columns of a series; `set` is its label set's number, NONE where the row is free."""
    return np.dtype(
        [
            ("set", np.int32),
            ("value", np.float64),
            ("last_ns", np.int64),
            ("birth", np.int64),
            ("trace_id", object),
            ("span_id", object),
            ("exemplar_value", np.float64),
            ("exemplar_ns", np.int64),
            ("exemplar_kept_ns", np.int64),
            ("buckets", np.int64, (buckets,)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a series has had its day: idle for `after_ns`, and its last change shown by a completed scrape.

    `shown_ns` is when the last such scrape began. Where nobody scrapes, four times `after_ns` is enough.
    """

    now_ns: int
    after_ns: int
    shown_ns: int

    def due(self, last_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark the series that changed last at these times and may go."""
        idle_ns = self.now_ns - last_ns
        shown: NDArray[np.bool_] = (idle_ns >= self.after_ns) & (last_ns < self.shown_ns)
        return shown | (idle_ns >= 4 * self.after_ns)


class Family:
    """One metric's series. Row 0 stays free, so that NONE can mean "no row" as it means "no label set"."""

    def __init__(self, name: str, kind: str, unit: str) -> None:
        self.name, self.kind, self.unit = name, kind, unit
        self.bounds: NDArray[np.float64] = np.empty(0)
        self.overflow_points = 0
        self._rows: Rows = np.zeros(16, _row_type(int(kind == "histogram")))
        self._row_of: NDArray[np.int32] = np.zeros(0, np.int32)
        self._free: list[int] = []
        self._end = 1

    def __len__(self) -> int:
        """How many series there are, the overflow series included."""
        return self._end - 1 - len(self._free)

    @property
    def end(self) -> int:
        """Where the rows in use end."""
        return self._end

    @property
    def overflowing(self) -> bool:
        """Whether there is an overflow series."""
        return len(self._row_of) > OVERFLOW and bool(self._row_of[OVERFLOW])

    def expects(self, bounds: NDArray[np.float64], most: int) -> bool:
        """Say whether there would be at most as many bounds after points with these."""
        return np.array_equal(self.bounds, bounds) or len(np.union1d(self.bounds, bounds)) <= most

    def add(self, points: Points, sets: NDArray[np.int32], *, room: int, now_ns: int, birth: int) -> NDArray[np.int32]:
        """Add points of these label sets; give the sets that have become series, at most `room`.

        The rest is folded into the overflow series, where counters and histograms add up and a gauge's last
        value wins. `birth` marks new series, for `piece`.
        """
        if not np.array_equal(self.bounds, points.bounds):
            self._widen(np.union1d(self.bounds, points.bounds))
        fresh = self._admit(sets, room, birth)
        at = self._row_of[sets]
        self.overflow_points += int((sets == OVERFLOW).sum() + (at == NONE).sum())
        at[at == NONE] = self._row_of[OVERFLOW]
        self._accumulate(points, at)
        self._rows["last_ns"][at] = now_ns
        if points.exemplars and self.kind != "gauge":
            self._keep_exemplars(points.exemplars, at, now_ns)
        return fresh

    def _admit(self, sets: NDArray[np.int32], room: int, birth: int) -> NDArray[np.int32]:
        """Give rows to label sets that have none, and one to the overflow when the room doesn't suffice."""
        self._row_of = _grown(self._row_of, int(sets.max()) + 1)
        missing: NDArray[np.int32] = sets[self._row_of[sets] == NONE]
        if not len(missing):
            return missing
        missing = np.unique(missing)
        wanted = missing[missing != OVERFLOW]
        fresh: NDArray[np.int32] = wanted[:room]
        self._open(fresh, birth)
        if len(fresh) < len(missing) and not self.overflowing:
            self._open(np.array([OVERFLOW], np.int32), birth)
        return fresh

    def _open(self, sets: NDArray[np.int32], birth: int) -> None:
        reused = [self._free.pop() for _ in range(min(len(sets), len(self._free)))]
        rest = len(sets) - len(reused)
        self._rows = _grown(self._rows, self._end + rest)
        at = np.array([*reused, *range(self._end, self._end + rest)], np.int64)
        self._end += rest
        self._rows["set"][at], self._rows["birth"][at] = sets, birth
        self._row_of[sets] = at

    def _accumulate(self, points: Points, at: NDArray[np.int32]) -> None:
        if points.buckets is None:
            if self.kind == "gauge":
                self._rows["value"][at] = points.value
            else:
                np.add.at(self._rows["value"], at, points.value)
            return
        rows, value, buckets = _summed(at, points.value, points.buckets)
        self._rows["value"][rows] += value
        if len(points.bounds) == len(self.bounds):
            self._rows["buckets"][rows] += buckets
        else:
            self._rows["buckets"][np.ix_(rows, _columns(points.bounds, self.bounds))] += buckets

    def _widen(self, bounds: NDArray[np.float64]) -> None:
        """Take more bounds in. What was counted before stays under the bound that it was counted under."""
        rows = np.zeros(len(self._rows), _row_type(len(bounds) + 1))
        for field in rows.dtype.names or ():
            if field != "buckets":
                rows[field] = self._rows[field]
        rows["buckets"][:, _columns(self.bounds, bounds)] = self._rows["buckets"]
        self._rows, self.bounds = rows, bounds

    def _keep_exemplars(self, exemplars: Exemplars, at: NDArray[np.int32], now_ns: int) -> None:
        """Keep the latest exemplar of each series, but change none before it is a second old.

        Nobody scrapes more often, and strings for every point would cost more than all the sums.
        """
        due = exemplars.present & (self._rows["exemplar_kept_ns"][at] <= now_ns - _EXEMPLAR_KEPT_NS)
        if not due.any():
            return
        rows, latest = at[due], exemplars.take(np.flatnonzero(due))
        for field, column in zip(_EXEMPLAR_FIELDS, latest, strict=True):
            self._rows[field][rows] = column
        self._rows["exemplar_kept_ns"][rows] = now_ns

    def of(self, sets: NDArray[np.int32]) -> Rows:
        """Copy the series of these label sets; the overflow series for one that has none of its own."""
        at = self._row_of[sets]
        at[at == NONE] = self._row_of[OVERFLOW]
        return self._rows[at]

    def changed(self, since_ns: int) -> Rows:
        """Copy the series that have changed at or after that time."""
        rows = self._rows[: self._end]
        copy: Rows = rows[(rows["set"] != NONE) & (rows["last_ns"] >= since_ns)]
        return copy

    def expire(self, expiry: Expiry) -> NDArray[np.int32]:
        """Drop the series that are due; give their label sets."""
        rows = self._rows[: self._end]
        gone = np.flatnonzero((rows["set"] != NONE) & expiry.due(rows["last_ns"]))
        sets: NDArray[np.int32] = rows["set"][gone]
        self._row_of[sets] = NONE
        rows[gone] = np.zeros((), rows.dtype)
        self._free.extend(gone.tolist())
        return sets

    def piece(self, start: int, stop: int, before: int) -> Rows:
        """Copy the series in these rows that were born before `before`."""
        rows = self._rows[start : min(stop, self._end)]
        copy: Rows = rows[(rows["set"] != NONE) & (rows["birth"] < before)]
        return copy


def _grown(array: NDArray[_T], length: int) -> NDArray[_T]:
    """Give the array, or when it is shorter than `length` one at least twice as long, filled up with zeros."""
    if length <= len(array):
        return array
    longer: NDArray[_T] = np.zeros(max(length, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer


def _columns(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.intp]:
    """Say in which bucket of `whole` each bucket of `part` lies, +Inf's included."""
    return np.append(np.searchsorted(whole, part), len(whole))


def _summed(
    at: NDArray[np.int32], value: NDArray[np.float64], buckets: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
    """Add up the points that go to the same row; give each row once."""
    counts = np.bincount(at)
    if counts.max() == 1:
        return at, value, buckets
    rows = np.flatnonzero(counts).astype(np.int32)
    order = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[order], rows)
    return rows, np.add.reduceat(value[order], starts), np.add.reduceat(buckets[order], starts, axis=0)
