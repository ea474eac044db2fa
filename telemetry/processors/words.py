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

    What is asked gives UInt64, one number a row; 0 stands for what is absent. What is told goes into `word`, by the
    order of telling, so that rows agree in it that agree in all that was told, in any chunk.
    """

    def __init__(self, columns: Columns, nodes: Sequence[Node], names: Sequence[str], seed: int) -> None:
        # An absent value's code is one past the last: tables have its meaning there.
        self._codes: Mapping[str, npt.NDArray[np.int64]] = {
            "node": _codes(columns.rows["node"], 0),
            **{
                name: _codes(columns.rows[name], len(columns.dictionaries[name]))
                for name in names
                if len(columns.dictionaries[name])
            },
        }
        self._dictionaries = columns.dictionaries
        self._nodes = nodes
        self._seed = seed
        self._told = 0
        self.word: Hashes = np.full(len(columns.rows), seed, dtype=np.uint64)
        """All that was told of each row."""

    def of_value(self, column: str, meaning: Callable[[str], int], absent: int = 0) -> Numbers:
        """Give what each row's value means, asked once per distinct value."""
        if column not in self._codes:
            return np.full(len(self.word), absent, dtype=np.uint64)
        return self._meanings(column, meaning, absent)[self._codes[column]]

    def of_node(self, meaning: Callable[[Node], int]) -> Numbers:
        """Give what each row's node means."""
        return self._of_nodes(meaning)[self._codes["node"]]

    def absent(self, column: str) -> npt.NDArray[np.bool_]:
        """Say which rows have no value."""
        if column not in self._codes:
            return np.ones(len(self.word), dtype=np.bool_)
        absent: npt.NDArray[np.bool_] = self._codes[column] == len(self._dictionaries[column])
        return absent

    def tell_value(self, column: str, meaning: Callable[[str], int], absent: int = 0) -> None:
        """Tell what each row's value means."""
        if column in self._codes:
            self._tell(self._meanings(column, meaning, absent), self._codes[column])
        else:
            self._tell(np.array([absent], np.uint64), 0)

    def tell_node(self, meaning: Callable[[Node], int]) -> None:
        """Tell what each row's node means."""
        self._tell(self._of_nodes(meaning), self._codes["node"])

    def tell_text(self, column: str, where: npt.NDArray[np.bool_] | None = None) -> None:
        """Tell each row's value itself, or only of the rows `where` it matters."""
        self._told += 1
        if column not in self._codes:
            return
        codes = self._codes[column]
        if where is not None:
            codes = np.where(where, codes, len(self._dictionaries[column]))
        hashes = self._dictionaries[column].hash(self._seed + self._told).to_numpy()
        self.word ^= np.append(hashes, np.uint64(0))[codes]

    def tell_small(self, numbers: npt.NDArray[np.uint8]) -> None:
        """Tell a small number of each row."""
        self._tell(np.arange(int(numbers.max(initial=0)) + 1, dtype=np.uint64), numbers)

    def _tell(self, table: Numbers, codes: npt.NDArray[np.integer] | int) -> None:
        # Zobrist's hash: tables are spread, not rows, of which there are more. 0, what is absent, adds nothing.
        self._told += 1
        salt = np.uint64(self._told * int(_MULTIPLIER) & _ALL_BITS)
        spread = np.where(table == 0, np.uint64(0), mixed([table ^ salt, table], self._seed))
        self.word ^= spread[codes]

    def _meanings(self, column: str, meaning: Callable[[str], int], absent: int) -> Numbers:
        known = map(meaning, self._dictionaries[column].to_list())
        return np.fromiter((*known, absent), dtype=np.uint64)

    def _of_nodes(self, meaning: Callable[[Node], int]) -> Numbers:
        return np.fromiter(map(meaning, self._nodes), dtype=np.uint64, count=len(self._nodes))


def _codes(codes: pl.Series, absent: int) -> npt.NDArray[np.int64]:
    return (codes.fill_null(absent) if codes.null_count() else codes).to_numpy().astype(np.int64)


def mixed(parts: Sequence[Numbers], seed: int = 0) -> Hashes:
    """Mix numbers into one, row by row; the order counts."""
    result = np.full(len(parts[0]), seed, dtype=np.uint64)
    for part in parts:
        result ^= part
        result *= _MULTIPLIER
        result ^= result >> _SHIFT
    return result


_ALL_BITS = (1 << 64) - 1
