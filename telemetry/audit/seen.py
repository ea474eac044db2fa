"""Which rows the audit has: a row that comes again is left out."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from telemetry.batch import Batch

__all__ = ["MOST", "Seen", "identity_of"]

MOST = 65_536
"""So many batches are remembered: thousands of times more than a delivery may offer again."""

_Key = tuple[str, int, int]
_Ranges = list[tuple[int, int]]


def identity_of(batch: Batch) -> dict[str, Any]:
    """Name the rows of a batch: receiver, epoch, sequence, and row numbers as ranges, both ends included."""
    numbers = batch.row_numbers.to_numpy().astype(np.int64)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    firsts, lasts = numbers[np.r_[0, breaks]], numbers[np.r_[breaks - 1, len(numbers) - 1]]
    ranges = [list(pair) for pair in zip(firsts.tolist(), lasts.tolist(), strict=True)]
    return {"receiver": batch.receiver, "epoch": batch.epoch, "sequence": batch.sequence, "rows": ranges}


@dataclass(slots=True)
class Seen:
    """The rows of the latest batches, MOST of them."""

    _rows: OrderedDict[_Key, _Ranges] = field(default_factory=OrderedDict)

    def note(self, identity: Mapping[str, Any]) -> None:
        """Remember these. Raises KeyError, TypeError when it is no identity."""
        key = (identity["receiver"], identity["epoch"], identity["sequence"])
        self._rows.setdefault(key, []).extend((first, last) for first, last in identity["rows"])
        self._rows.move_to_end(key)
        while len(self._rows) > MOST:
            self._rows.popitem(last=False)

    def unseen(self, batch: Batch) -> Batch:
        """Give the batch without the rows that are remembered."""
        known = self._rows.get((batch.receiver, batch.epoch, batch.sequence))
        if not known:
            return batch
        numbers = batch.row_numbers.to_numpy()
        return batch.take(pl.Series(~_within(numbers, known), dtype=pl.Boolean))


def _within(numbers: np.ndarray[Any, Any], ranges: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
    inside = np.zeros(len(numbers), dtype=bool)
    for first, last in ranges:
        # Both are ascending: a range is a slice.
        inside[np.searchsorted(numbers, first) : np.searchsorted(numbers, last, side="right")] = True
    return inside
