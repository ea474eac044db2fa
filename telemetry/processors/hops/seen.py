"""Hashes known again, in fixed memory: of entries told twice, of traces that were kept."""

import numpy as np
import numpy.typing as npt

from telemetry.processors.hops.hashes import Hashes

__all__ = ["Marks", "Seen"]

Bools = npt.NDArray[np.bool_]


class Seen:
    """Remembers entries by hash, in fixed memory: an entry that was here before is told twice."""

    def __init__(self, bits: int = 18) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self._hashes = np.zeros(1 << bits, np.uint64)
        self._rows = np.zeros(1 << bits, np.uint32)

    def again(self, entries: Hashes) -> Bools:
        """Tell which of these were here before, or come again further down."""
        at = (entries & self._mask).view(np.int64)
        before = self._hashes[at] == entries
        numbers = np.arange(len(entries), dtype=np.uint32)
        self._hashes[at] = entries
        self._rows[at] = numbers
        last = self._rows[at]
        again: Bools = before | ((last != numbers) & (entries[last] == entries))
        return again


class Marks:
    """Remembers hashes in fixed memory; of two that share a place the later."""

    def __init__(self, bits: int = 16) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self._hashes = np.zeros(1 << bits, np.uint64)
        self._any = False

    def __bool__(self) -> bool:
        """Whether there is anything to remember."""
        return self._any

    def mark(self, hashes: Hashes) -> None:
        """Remember these."""
        self._hashes[hashes & self._mask] = hashes
        self._any |= bool(len(hashes))

    def marked(self, hashes: Hashes) -> Bools:
        """Tell which of these are remembered."""
        marked: Bools = self._hashes[hashes & self._mask] == hashes
        return marked
