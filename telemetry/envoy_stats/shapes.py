"""Label sets by the names in them: each kind of label set a table, each set a row."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.envoy_stats.tag_rules import Labels

__all__ = ["Shape", "Shapes"]


@dataclass(slots=True)
class Shape:
    """The label sets that have the same names."""

    names: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    _frame: pl.DataFrame | None = None

    def add(self, values: tuple[str, ...]) -> int:
        """Give the row of these values, which is the caller's alone."""
        self._frame = None
        if self.free:
            row = self.free.pop()
            self.rows[row] = values
            return row
        self.rows.append(values)
        return len(self.rows) - 1

    @property
    def frame(self) -> pl.DataFrame:
        """All rows, a String column for each name."""
        if self._frame is None:
            columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.names)
            self._frame = pl.DataFrame(
                [pl.Series(name, values, dtype=pl.String) for name, values in zip(self.names, columns, strict=True)]
            )
        return self._frame

    def gather(self, rows: NDArray[np.integer[Any]]) -> list[pl.Series]:
        """Give the columns of these rows."""
        at = pl.Series(rows)
        return [column.gather(at) for column in self.frame.get_columns()]


class Shapes:
    """All shapes, by number."""

    def __init__(self) -> None:
        self._all: list[Shape] = []
        self._number_of: dict[tuple[str, ...], int] = {}

    def __getitem__(self, number: int) -> Shape:
        return self._all[number]

    def add(self, labels: Labels) -> tuple[int, int]:
        """Give shape and row of a label set that is sorted by name."""
        names = tuple(name for name, _ in labels)
        number = self._number_of.setdefault(names, len(self._all))
        if number == len(self._all):
            self._all.append(Shape(names))
        return number, self._all[number].add(tuple(value for _, value in labels))

    def remove(self, number: int, row: int) -> None:
        """Give a row back."""
        self._all[number].free.append(row)
