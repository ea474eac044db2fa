"""One Envoy: which stream speaks for it, and the last value of each of its series."""

from collections.abc import Callable
from typing import TypeVar
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

from telemetry.envoy_stats.counting import Counting, Process
from telemetry.node import Node

__all__ = ["NO_ROOM", "TWIN", "Envoy", "Slots"]

NO_ROOM, TWIN = -1, -2
_T = TypeVar("_T", bound=np.generic)
# A process whose uptime is less than the time since the last flush has started since; Envoy counts whole seconds.
_UPTIME_SLACK_S = 2.0
# So young may a process be, and yet seem to be the one before, which was as young: crash loops.
_YOUNG_S = 10.0

Slots = NDArray[np.intp]


class Envoy:
    """An Envoy's series, in columns by slot: `stat`, `last` (NaN: none), `total`, `seen_ns` and `shown_ns` (0: never).

    `code` is its row among the identities, `hash` that of its identity labels. `grant(wanted, held)` says how many more
    series it may have.
    """

    def __init__(
        self, code: int, identity_hash: int, counting: Counting, grant: Callable[[int, int], int], now_ns: int
    ) -> None:
        self.code = code
        self.hash = np.uint64(identity_hash)
        self.counting = counting
        self._grant = grant
        self.flushed_ns = now_ns
        self.flushes = 0
        self.new_stream = False
        self._timestamp_ms = 0
        self.uptime_s = np.nan
        self._stream: ReferenceType[Node] | None = None
        self._stream_number = 0
        self._end = 0
        self._free: list[int] = []
        self._memo: dict[str, tuple[NDArray[np.uint32], Slots]] = {}
        self.stat = np.zeros(0, np.uint32)
        self.last = np.zeros(0)
        self.total = np.zeros(0)
        self.seen_ns = np.zeros(0, np.int64)
        self.shown_ns = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """How many series there are."""
        return self._end - len(self._free)

    # Its streams -----------------------------------------------------------------------------------------------------

    @property
    def snapshot_ns(self) -> int:
        """When it took its last flush's values, by its own clock; 0 if it didn't say."""
        return self._timestamp_ms * 1_000_000

    @property
    def alive(self) -> bool:
        """Whether its stream is open."""
        return self._stream is not None and self._stream() is not None

    def takes(self, node: Node, timestamp_ms: int) -> bool:
        """Say whether a flush counts: the newest open stream speaks, the others repeat it or are somebody else's.

        A moment that another stream has told of already (two sinks in one Envoy) does not count again.
        """
        leader = self._stream() if self._stream else None
        if leader is not None and node.number < self._stream_number:
            return False
        self.new_stream = leader is not node and self.flushes > 0
        if self.new_stream and timestamp_ms and timestamp_ms == self._timestamp_ms:
            return False
        self._stream, self._stream_number = ref(node), node.number
        return True

    def begin(self, timestamp_ms: int, uptime_s: float, now_ns: int) -> Process:
        """Begin with a flush; says what is known of its process. `uptime_s`: NaN if not told."""
        since_s = (now_ns - self.flushed_ns) / 1e9
        restarted = uptime_s < self.uptime_s or uptime_s + _UPTIME_SLACK_S < since_s
        if not self.flushes and not np.isnan(uptime_s):
            self.flushed_ns = now_ns - int(uptime_s * 1e9)
        self._timestamp_ms = timestamp_ms
        self.uptime_s = uptime_s
        if not self.new_stream:
            return "same"
        return "new" if restarted else "suspect" if uptime_s < _YOUNG_S else "unknown"

    def end(self, now_ns: int) -> None:
        """End with a flush: the next interval begins."""
        self.flushed_ns = now_ns
        self.flushes += 1

    # Its series ------------------------------------------------------------------------------------------------------

    @property
    def used(self) -> Slots:
        """The slots of its series."""
        return np.flatnonzero(self.seen_ns[: self._end])

    def slots(self, table: str, stats: NDArray[np.uint32]) -> Slots:
        """Give the slot of each of these stats; NO_ROOM where there is none for it, TWIN where it comes again later.

        An Envoy sends the same stats in the same order, flush after flush: mostly the answer is that of last time.
        """
        memo = self._memo.get(table)
        if memo is not None and np.array_equal(memo[0], stats):
            return memo[1]
        slots = self._find(stats)
        if (slots == NO_ROOM).any():
            fresh = np.unique(stats[slots == NO_ROOM])
            self._open(fresh[: self._grant(len(fresh), len(self))])
            slots = self._find(stats)
        _mark_twins(stats, slots)
        if not (slots == NO_ROOM).any():
            self._memo[table] = (stats, slots)
        return slots

    def _find(self, stats: NDArray[np.uint32]) -> Slots:
        slots = self.used
        if not len(slots):
            return np.full(len(stats), NO_ROOM, np.intp)
        order = slots[np.argsort(self.stat[slots])]
        known = self.stat[order]
        at = np.minimum(np.searchsorted(known, stats), len(known) - 1)
        return np.where(known[at] == stats, order[at], NO_ROOM)

    def _open(self, stats: NDArray[np.uint32]) -> None:
        reused = [self._free.pop() for _ in range(min(len(stats), len(self._free)))]
        rest = len(stats) - len(reused)
        self._grow(self._end + rest)
        slots = np.array([*reused, *range(self._end, self._end + rest)], np.intp)
        self._end += rest
        self.stat[slots], self.last[slots], self.total[slots] = stats, np.nan, 0.0
        # Whoever opens it sees it at once.
        self.seen_ns[slots], self.shown_ns[slots] = 1, 0

    def _grow(self, length: int) -> None:
        if length > len(self.stat):
            length = max(length, 2 * len(self.stat))
            self.stat = _longer(self.stat, length)
            self.last, self.total = _longer(self.last, length), _longer(self.total, length)
            self.seen_ns, self.shown_ns = _longer(self.seen_ns, length), _longer(self.shown_ns, length)

    def expire(self, before_ns: int) -> int:
        """Drop the series not seen since; gives how many."""
        used = self.used
        gone = used[self.seen_ns[used] < before_ns]
        if len(gone):
            self.seen_ns[gone] = 0
            self._free.extend(gone.tolist())
            self._memo.clear()
        return len(gone)


def _longer(column: NDArray[_T], length: int) -> NDArray[_T]:
    longer: NDArray[_T] = np.zeros(length, column.dtype)
    longer[: len(column)] = column
    return longer


def _mark_twins(stats: NDArray[np.uint32], slots: Slots) -> None:
    """Leave only the last of those that come several times: no Envoy does that."""
    _, behind = np.unique(stats[::-1], return_index=True)
    if len(behind) < len(stats):
        twins = np.ones(len(stats), np.bool_)
        twins[len(stats) - 1 - behind] = False
        slots[twins] = TWIN
