"""Which rows have the same clues word for word: cheap to tell, so that meanings are asked for once and remembered."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.columns import Columns
from telemetry.node import Node

__all__ = ["Hashes", "Numbers", "Words", "mixed"]

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint64]

# Of the 64-bit finaliser of MurmurHash3.
_MULTIPLIER, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(33)


class Words:
    """The clues of a chunk's rows as numbers, in numpy: Polars takes longer to begin an operation than this to end one.

    Every method gives UInt64, one number a row; 0 stands for what is absent.
    """

    def __init__(self, columns: Columns, nodes: Sequence[Node], names: Sequence[str], seed: int) -> None:
        present = [name for name in names if len(columns.dictionaries[name])]
        # An absent value's code is one past the last: tables have its meaning there.
        codes = columns.rows.select(
            "node", *(pl.col(name).fill_null(len(columns.dictionaries[name])) for name in present)
        )
        self._codes: Mapping[str, npt.NDArray[np.uint32]] = {name: codes[name].to_numpy() for name in codes.columns}
        self._dictionaries = columns.dictionaries
        self._nodes = nodes
        self._seed = seed

    def of_value(self, column: str, meaning: Callable[[str], int], absent: int = 0) -> Numbers:
        """Give what each row's value means, asked once per distinct value."""
        if column not in self._codes:
            return np.full(len(self._codes["node"]), absent, dtype=np.uint64)
        known = map(meaning, self._dictionaries[column].to_list())
        return np.fromiter((*known, absent), dtype=np.uint64)[self._codes[column]]

    def of_node(self, meaning: Callable[[Node], int]) -> Numbers:
        """Give what each row's node means."""
        return np.fromiter(map(meaning, self._nodes), dtype=np.uint64, count=len(self._nodes))[self._codes["node"]]

    def hashed(self, column: str) -> Numbers:
        """Give a hash of each row's value, the same in every chunk."""
        if column not in self._codes:
            return np.zeros(len(self._codes["node"]), dtype=np.uint64)
        hashes = self._dictionaries[column].hash(self._seed).to_numpy()
        return np.append(hashes, np.uint64(0))[self._codes[column]]

    def absent(self, column: str) -> npt.NDArray[np.bool_]:
        """Say which rows have no value."""
        if column not in self._codes:
            return np.ones(len(self._codes["node"]), dtype=np.bool_)
        absent: npt.NDArray[np.bool_] = self._codes[column] == len(self._dictionaries[column])
        return absent


def mixed(parts: Sequence[Numbers], seed: int = 0) -> Hashes:
    """Mix numbers into one, row by row; the order counts."""
    result = np.full(len(parts[0]), seed, dtype=np.uint64)
    for part in parts:
        result ^= part
        result *= _MULTIPLIER
        result ^= result >> _SHIFT
    return result
