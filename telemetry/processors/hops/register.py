"""Rows that come again and again, numbered across batches."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Register", "Slots"]

Slots = npt.NDArray[np.uint32]


class Register:
    """Numbers rows from 1 on; 0 is a row of nulls, which is nobody's. Told apart by a 64-bit hash, of that `seed`."""

    def __init__(self, schema: Mapping[str, pl.DataType | type[pl.DataType]], seed: int) -> None:
        self._schema = dict(schema)
        self._seed = seed
        self.clear()

    def __len__(self) -> int:
        return len(self._slots) - 1

    def clear(self) -> None:
        """Forget all rows."""
        self._hashes = np.zeros(1, np.uint64)
        self._slots = np.zeros(1, np.uint32)
        self.table = pl.DataFrame({name: [None] for name in self._schema}, schema=self._schema)
        """By number, the rows."""

    def numbers(self, rows: pl.DataFrame) -> Slots:
        """Give each row's number; what is new gets one."""
        hashes = rows[list(self._schema)].hash_rows(self._seed).to_numpy()
        at, known = self._places(hashes)
        if not known.all():
            self._learn(hashes[~known], rows.filter(pl.Series(~known)))
            at, _ = self._places(hashes)
        return self._slots[at]

    def _places(self, hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return at, self._hashes[at] == hashes

    def _learn(self, hashes: npt.NDArray[np.uint64], rows: pl.DataFrame) -> None:
        new, first = np.unique(hashes, return_index=True)
        slots = np.arange(len(self.table), len(self.table) + len(new), dtype=np.uint32)
        hashes, slots = np.concatenate([self._hashes, new]), np.concatenate([self._slots, slots])
        order = np.argsort(hashes)
        self._hashes, self._slots = hashes[order], slots[order]
        shown = rows[list(self._schema)][pl.Series(first.astype(np.uint32))]
        # Written anew: parts of the entries' texts would keep all of their memory.
        self.table.extend(shown.with_columns_seq(pl.col(pl.String) + ""))
