"""Requests that were tried again: so many more entries of servers are told for, and are no requests of their own."""

import numpy as np
import numpy.typing as npt

from telemetry.processors.hops.hashes import Hashes, among

__all__ = ["Retried"]

Ints = npt.NDArray[np.int64]


class Retried:
    """How many earlier attempts may still be told of, by a key of the request; no more than `limit` keys."""

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._keys = np.empty(0, np.uint64)
        self._left = np.empty(0, np.int64)
        self._until = np.empty(0, np.int64)

    def add(self, keys: Hashes, left: Ints, until_ns: int) -> None:
        """Expect so many more attempts of each until then. Beyond the limit, those that lapse first are forgotten."""
        until = np.concatenate([self._until, np.full(len(keys), until_ns)])
        distinct, where = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        self._left = np.bincount(where, weights=np.concatenate([self._left, left])).astype(np.int64)
        self._until = np.zeros(len(distinct), np.int64)
        np.maximum.at(self._until, where, until)
        self._keys = distinct
        if len(distinct) > self._limit:
            self._keep(np.sort(np.argsort(self._until, kind="stable")[-self._limit :]))

    def take(self, keys: Hashes) -> npt.NDArray[np.bool_]:
        """Tell which of these are such attempts, the first ones of each key; they are expected no more."""
        taken = np.zeros(len(keys), np.bool_)
        expected = np.flatnonzero(among(keys, self._keys)) if len(self._keys) else self._left[:0]
        at = np.searchsorted(self._keys, keys[expected])
        order = np.argsort(at, kind="stable")
        places = at[order]
        rank = np.arange(len(places)) - np.searchsorted(places, places)
        taken[expected[order]] = rank < self._left[places]
        self._left -= np.bincount(at[taken[expected]], minlength=len(self._left))
        return taken

    def lapse(self, now_ns: int) -> None:
        """Forget what need not be expected any more."""
        if len(self._keys):
            self._keep(np.flatnonzero((self._until > now_ns) & (self._left > 0)))

    def _keep(self, rows: Ints) -> None:
        self._keys, self._left, self._until = self._keys[rows], self._left[rows], self._until[rows]
