"""Which edge a row belongs to: a small number for each, bounded."""

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template

__all__ = ["EDGE_IDENTITY", "OTHER", "OTHER_EDGE", "EdgeSlots", "Slots"]

Slots = npt.NDArray[np.int64]

_EDGE = list(SCHEMAS[Template.EDGE])
EDGE_IDENTITY = tuple(_EDGE[_EDGE.index("context.protocol") : _EDGE.index("requests")])
"""The columns that name an edge: protocol, both workloads, the service addressed."""
_SCHEMA = {name: SCHEMAS[Template.EDGE][name] for name in EDGE_IDENTITY}

OTHER = "{other}"
"""The workload at both ends of the edge that stands for all edges beyond a bound."""
OTHER_EDGE = {**dict.fromkeys(EDGE_IDENTITY), "source.workload.name": OTHER, "destination.workload.name": OTHER}


class EdgeSlots:
    """Numbers edges from 1 on; 0 is `{other}`, where the edges beyond `limit` go, so that totals stay exact.

    Identities are told apart by a 64-bit hash. `folded`: how often an edge was given 0 for lack of room.
    """

    def __init__(self, *, seed: int, limit: int) -> None:
        self._seed = seed
        self._limit = limit
        self.folded = 0
        self.clear()

    def __len__(self) -> int:
        return len(self._numbers) + 1

    def clear(self) -> None:
        """Forget all edges."""
        self._numbers: dict[int, int] = {}
        self._frames = [pl.DataFrame([OTHER_EDGE], schema=_SCHEMA)]

    def of(self, rows: pl.DataFrame) -> Slots:
        """Give the slot of each row, by its EDGE_IDENTITY columns."""
        shown = rows[list(EDGE_IDENTITY)]
        hashes = shown.hash_rows(self._seed).to_list()
        numbers = self._numbers
        new: list[int] = []
        for at, one in enumerate(hashes):
            if one not in numbers and len(numbers) < self._limit:
                numbers[one] = len(numbers) + 1
                new.append(at)
        if new:
            self._frames.append(shown[new])
        slots = np.array([numbers.get(one, 0) for one in hashes], dtype=np.int64)
        self.folded += int(np.count_nonzero(slots == 0))
        return slots

    def identities(self) -> pl.DataFrame:
        """Columns: EDGE_IDENTITY, a row for each slot in order."""
        return pl.concat(self._frames)
