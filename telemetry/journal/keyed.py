"""What rows of one key share is mostly what they shared in the batch before: encoded once, it is stored with many."""

from collections.abc import Hashable, Mapping

import numpy as np
import polars as pl

from telemetry.by_context import Slots
from telemetry.journal.likeness import same
from telemetry.journal.streams import Pieces, packed_texts

__all__ = ["AT", "KeyTable", "KeyTables"]

AT = "at"
"""The column that has for each key the number of its row in the KeyTable."""

_NOBODY = object()


class KeyTable:
    """A row for each key that there was of late, by its slot; slots ascend.

    `alike`: those of the `twins` (by name: another column's) that are equal in these rows.
    """

    def __init__(self, slots: Slots, rows: pl.DataFrame, twins: Mapping[str, str]) -> None:
        self.slots, self.rows = slots, rows
        self.alike = frozenset(name for name, twin in twins.items() if same(rows[name], rows[twin]))
        self._encoded: Pieces | None = None

    @property
    def encoded(self) -> Pieces:
        """The rows without what is alike as a stream; made once."""
        if self._encoded is None:
            self._encoded = packed_texts(self.rows.drop(self.alike))
        return self._encoded

    def at(self, slots: Slots) -> Slots:
        """Give the row of each slot: any where there is none."""
        return np.minimum(np.searchsorted(self.slots, slots), len(self.slots) - 1).astype(np.uint32)

    def lacks(self, slots: Slots) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell for each slot whether it is not there."""
        return self.slots[self.at(slots)] != slots if len(self.slots) else np.full(len(slots), True)


class KeyTables:
    """Remembers the table. A batch is stored with the whole of it: it has at most twice the batch's keys."""

    def __init__(self) -> None:
        self._origin: Hashable = _NOBODY
        self._table = _sorted(np.empty(0, np.uint32), pl.DataFrame(), {})

    def of(
        self, origin: Hashable, slots: Slots, rows: pl.DataFrame, first: pl.Series, twins: Mapping[str, str]
    ) -> KeyTable:
        """Give a table that has these slots. The values of the one at `slots[i]` are those of `rows[first[i]]`.

        Only those that are new are looked up. `rows` has the same columns each time.
        """
        known = self._table
        new = known.lacks(slots) if origin == self._origin else None
        if new is None or len(known.slots) + int(new.sum()) > 2 * len(slots):
            self._table = _sorted(slots, rows[first], twins)
        elif new.any():
            added = rows[first.filter(pl.Series(new))]
            self._table = _sorted(np.concatenate([known.slots, slots[new]]), pl.concat([known.rows, added]), twins)
        self._origin = origin
        return self._table


def _sorted(slots: Slots, rows: pl.DataFrame, twins: Mapping[str, str]) -> KeyTable:
    order = np.argsort(slots)
    return KeyTable(slots[order], rows[pl.Series(order.astype(np.uint32))], twins)
