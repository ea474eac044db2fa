"""Envoys, numbered by their node ids, and whose workload each is."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from telemetry.completeness.levels import Level

__all__ = ["UNNUMBERED", "Envoy", "Envoys", "Who"]

UNNUMBERED = -1
_MAX_WAITING = 64

Who = tuple[str | None, str | None, str | None]
"""Workload, its namespace, its Kubernetes cluster."""


@dataclass(slots=True)
class Envoy:
    """One Envoy. `base`: the level that its next increase is counted from, None before the first one.

    `known`: it told of a moment within the window.
    """

    code: int
    node: str
    who: Who
    heard_ns: int
    base: Level | None = None
    known: bool = False
    waiting: list[Level] = field(default_factory=list)

    def tell(self, level: Level) -> None:
        """Take a level in, if it is news."""
        newest = self.waiting[-1] if self.waiting else self.base
        if newest is None or level.snapshot_ns > newest.snapshot_ns:
            self.waiting.append(level)
            del self.waiting[:-_MAX_WAITING]

    def due(self, received_by_ns: int) -> Level | None:
        """Take out the newest level that was received by then."""
        ripe = [level for level in self.waiting if level.received_ns <= received_by_ns]
        del self.waiting[: len(ripe)]
        return ripe[-1] if ripe else None

    def advance(self, level: Level) -> npt.NDArray[np.float64] | None:
        """Give how much has been added up to the level (as LEVELS); None where that can't be told.

        It can't at the first, nor where a counter was lost.
        """
        base, self.base = self.base, level
        if base is None or (level.counters < base.counters).any():
            return None
        return level.values - base.values


class Envoys:
    """At most `limit` of them; others have no number, and are in `ignored`, each time that they are looked up."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._of_node: dict[str, Envoy] = {}
        self._free: list[int] = []
        self.size = 0
        """One more than the highest number."""
        self.ignored = 0

    def __iter__(self) -> Iterator[Envoy]:
        return iter(self._of_node.values())

    def __len__(self) -> int:
        return len(self._of_node)

    def find(self, node: str, who: Who, now_ns: int) -> Envoy | None:
        """Give the Envoy, noting that it was heard of; what `who` knows is added to what was known."""
        envoy = self._of_node.get(node)
        if envoy is None:
            if len(self._of_node) >= self._limit:
                self.ignored += 1
                return None
            envoy = self._of_node[node] = Envoy(self._number(), node, who, now_ns)
        envoy.heard_ns = max(envoy.heard_ns, now_ns)
        if None in envoy.who and envoy.who != who:
            workload, namespace, cluster = (old or new for old, new in zip(envoy.who, who, strict=True))
            envoy.who = workload, namespace, cluster
        return envoy

    def silent(self, since_ns: int) -> list[Envoy]:
        """Let go of those not heard of since then; gives them."""
        gone = [envoy for envoy in self if envoy.heard_ns < since_ns]
        for envoy in gone:
            del self._of_node[envoy.node]
            self._free.append(envoy.code)
        return gone

    def _number(self) -> int:
        if self._free:
            return self._free.pop()
        self.size += 1
        return self.size - 1
