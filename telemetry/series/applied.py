"""Which rows have been added up already: a batch that comes again must not count again."""

from collections import OrderedDict

import numpy as np
import polars as pl

__all__ = ["Applied", "BatchName"]

BatchName = tuple[str, int, int]
"""Receiver, epoch and sequence."""

_BATCHES = 256


class Applied:
    """Remembers the row numbers of the last 256 batches. Delivery brings back what it tried last, not older ones."""

    def __init__(self) -> None:
        self._rows: OrderedDict[BatchName, pl.Series] = OrderedDict()

    def new(self, batch: BatchName, numbers: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Mark the rows that were not noted before."""
        known = self._rows.get(batch)
        if known is None:
            return np.ones(len(numbers), np.bool_)
        return np.isin(numbers.to_numpy(), known.to_numpy(), invert=True)

    def note(self, batch: BatchName, numbers: pl.Series) -> None:
        """Note these rows; forget the oldest batch where there are too many."""
        known = self._rows.pop(batch, None)
        self._rows[batch] = numbers.unique() if known is None else pl.concat([known, numbers]).unique()
        if len(self._rows) > _BATCHES:
            self._rows.popitem(last=False)
