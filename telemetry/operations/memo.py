"""Answers remembered by 64-bit hash, in arrays: looked up for many at once, in fixed memory."""

import numpy as np
import numpy.typing as npt

__all__ = ["Hashes", "Memo", "Numbers"]

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]

_HALF = np.uint64(32)


class Memo:
    """A cache of hash → number with two places for each hash; what finds no place is forgotten.

    So it must only be used for answers that can be had again. `2 ** bits` places of 12 bytes, for ever.
    """

    def __init__(self, bits: int) -> None:
        self._mask = np.uint64((1 << bits) - 1)
        self._hashes = np.zeros(1 << bits, np.uint64)
        self._numbers = np.zeros(1 << bits, np.uint32)

    def get(self, hashes: Hashes) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Give the numbers, and which of them were known; the others are arbitrary."""
        at = hashes & self._mask
        numbers, known = self._numbers[at], self._hashes[at] == hashes
        left = np.flatnonzero(~known)
        if left.size:
            at = (hashes[left] >> _HALF) & self._mask
            numbers[left], known[left] = self._numbers[at], self._hashes[at] == hashes[left]
        return numbers, known

    def put(self, hashes: Hashes, numbers: Numbers) -> None:
        """Remember; what holds a first place moves to its second one, over what is there."""
        at = hashes & self._mask
        moved = self._hashes[at]
        second = (moved >> _HALF) & self._mask
        self._numbers[second] = self._numbers[at]
        self._hashes[second] = moved
        # Of hashes that share a place NumPy keeps the last, in both arrays.
        self._numbers[at] = numbers
        self._hashes[at] = hashes

    def clear(self) -> None:
        """Forget all."""
        self._hashes[:] = 0
