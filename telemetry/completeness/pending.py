"""Entries that wait to be compared, until their Envoy has said how many there were by then."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Pending"]

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Chunk:
    received_ns: int
    code: Codes
    end_ns: Times

    def only(self, kept: npt.NDArray[np.bool_]) -> "_Chunk":
        return _Chunk(self.received_ns, self.code[kept], self.end_ns[kept])


class Pending:
    """When entries ended, and of which Envoy they are: 12 bytes each.

    An entry waits for `keep_ns`, and while there are at most `max_entries`. Those that waited for longer are only
    counted: as ended before the next moment that their Envoy tells of.
    """

    def __init__(self, *, keep_ns: int, max_entries: int) -> None:
        self._keep_ns = keep_ns
        self._max_entries = max_entries
        self._chunks: deque[_Chunk] = deque()
        self._entries = 0
        self._folded = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self._entries

    def add(self, received_ns: int, code: Codes, end_ns: Times) -> None:
        """Take entries in; codes are Envoys' numbers, times by the Envoys' clocks."""
        self._chunks.append(_Chunk(received_ns, code, end_ns))
        self._entries += len(code)
        while self._entries > self._max_entries:
            self._fold_oldest()

    def close(self, until_ns: Times, now_ns: int) -> Times:
        """Count and let go of the entries of each Envoy that ended by its moment; a moment below 0 is none."""
        while self._chunks and self._chunks[0].received_ns < now_ns - self._keep_ns:
            self._fold_oldest()
        count = np.zeros(len(until_ns), np.int64)
        chunks, self._chunks = self._chunks, deque()
        for chunk in chunks:
            closed = chunk.end_ns <= until_ns[chunk.code]
            if closed.any():
                count += np.bincount(chunk.code[closed], minlength=len(count))
            if not closed.all():
                self._chunks.append(chunk.only(~closed))
        self._entries = sum(len(chunk.code) for chunk in self._chunks)
        return count + self._unfold(until_ns >= 0)

    def forget(self, code: int) -> None:
        """Let the number be another Envoy's."""
        if code < len(self._folded):
            self._folded[code] = 0

    def _fold_oldest(self) -> None:
        chunk = self._chunks.popleft()
        self._entries -= len(chunk.code)
        folded = np.bincount(chunk.code, minlength=len(self._folded))
        folded[: len(self._folded)] += self._folded
        self._folded = folded

    def _unfold(self, told: npt.NDArray[np.bool_]) -> Times:
        folded = np.zeros(len(told), np.int64)
        known = min(len(told), len(self._folded))
        folded[:known] = np.where(told[:known], self._folded[:known], 0)
        self._folded[:known] -= folded[:known]
        return folded
