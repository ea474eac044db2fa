"""Rows into groups by narrow integer keys, exactly, in numpy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Groups", "Ints", "group"]

Ints = npt.NDArray[np.int64]
_ROOM = 1 << 62


@dataclass(frozen=True, slots=True)
class Groups:
    """`of_row[i]`: the group of row i; `first[g]`: a row that stands for group g, the earliest."""

    of_row: Ints
    first: Ints

    def __len__(self) -> int:
        return len(self.first)

    def count(self, rows: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float64]:
        """Count each group's rows, or those of them that are marked."""
        return np.bincount(self.of_row, weights=rows, minlength=len(self)).astype(np.float64)

    def sum(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum a value per group."""
        return np.bincount(self.of_row, weights=values, minlength=len(self)).astype(np.float64)

    def last(self, values: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Give each group's last value that is present; NaN where none is."""
        latest = np.full(len(self), np.nan)
        latest[self.of_row[present]] = values[present]
        return latest

    def histogram(
        self, values: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], bounds: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.uint64]:
        """Count values per group and bucket: a row per group, a column per bound and one for +Inf.

        A value belongs to the first bound that is not below it, as Prometheus' `le` says.
        """
        width = len(bounds) + 1
        bucket = np.searchsorted(bounds, values[present], side="left")
        cells = np.bincount(self.of_row[present] * width + bucket, minlength=len(self) * width)
        return cells.reshape(len(self), width).astype(np.uint64)


def _compact(key: npt.NDArray[np.integer]) -> tuple[Ints, int]:
    """Give a key's distinct values consecutive numbers: those of the rows, and how many there are."""
    distinct, numbers = np.unique(key, return_inverse=True)
    return numbers.astype(np.int64), len(distinct)


def group(*keys: npt.NDArray[np.integer]) -> Groups:
    """Group rows that agree in every key: non-negative integers below 2⁶², all keys as long, at least one row."""
    combined = np.zeros(len(keys[0]), dtype=np.int64)
    size = 1
    for key in keys:
        code, span = key, int(key.max()) + 1
        if size * span > _ROOM:
            combined, size = _compact(combined)
        if size * span > _ROOM:
            code, span = _compact(key)
        combined = combined * span + code.astype(np.int64)
        size *= span
    distinct, of_row = np.unique(combined, return_inverse=True)
    first = np.empty(len(distinct), dtype=np.int64)
    # Written backwards, so that of a group's rows the earliest is written last.
    first[of_row[::-1]] = np.arange(len(of_row) - 1, -1, -1)
    return Groups(of_row, first)
