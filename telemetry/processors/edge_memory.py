"""What is remembered of each edge, to tell what is new of it: whatever becomes of the configuration."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from telemetry.batch import Batch
from telemetry.processors.edge_slots import EDGE_IDENTITY

__all__ = ["Before", "EdgeMemory", "Remembered"]

_MAX_PRINCIPALS = 32
_UNWATCHED_NS = 600_000_000_000


@dataclass(slots=True)
class Remembered:
    """One edge. `secure`: all of its last traffic had mutual TLS; None: nobody knows. `failed`: once, or more often."""

    last_ns: int
    secure: bool | None = None
    failed: bool = False
    principals: set[tuple[str, str]] = field(default_factory=set)
    """Side and identity."""
    vanished: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier process left: when it all began, and the edges, the one seen last the longest ago first."""

    created_ns: int
    edges: Iterable[tuple[tuple[str | None, ...], Remembered]] = ()


Version = tuple[str | None, str, str]
"""Namespace, canonical service, version."""


class EdgeMemory:
    """Remembers at most `limit` edges; those unused the longest are forgotten, and are nothing new when they return.

    `before` is asked once, by `begin`. `forgotten`: how many were. From then on an edge that is not known may be an old
    one, so it is not told as new.
    """

    def __init__(self, before: Callable[[], Before], *, limit: int = 100_000) -> None:
        self._before: Callable[[], Before] | None = before
        self._limit = limit
        self._edges: dict[tuple[str | None, ...], Remembered] = {}
        self._versions: set[Version] = set()
        self._looked_ns = self._watched_from_ns = 0
        self.created_ns = 0
        """When it all began; known once `begin` was called."""
        self.forgotten = 0
        self.model: Batch | None = None
        """A batch without rows, as events are told in; None as long as no edge has passed."""

    def __len__(self) -> int:
        return len(self._edges)

    def begin(self) -> None:
        """Take over, the first time, what an earlier process knew."""
        if self._before is None:
            return
        before, self._before = self._before(), None
        self.created_ns = before.created_ns
        for identity, remembered in before.edges:
            self._edges[identity] = remembered
            self._versions.update(versions_of(dict(zip(EDGE_IDENTITY, identity, strict=True))))
        self._make_room()

    def get(self, identity: tuple[str | None, ...]) -> Remembered | None:
        """Give the edge, which is then the one used last."""
        if (known := self._edges.pop(identity, None)) is not None:
            self._edges[identity] = known
        return known

    def add(self, identity: tuple[str | None, ...], remembered: Remembered) -> None:
        """Remember a new edge."""
        self._edges[identity] = remembered
        self._make_room()

    def is_new_version(self, version: Version) -> bool:
        """Whether it has not been seen; it has from now on. Without room nothing is new."""
        if version in self._versions or len(self._versions) >= self._limit:
            return False
        self._versions.add(version)
        return True

    def watched_ns(self, now_ns: int) -> int:
        """Say for how long somebody has looked without a break, having looked now.

        Of a time in which nobody looked (we were down, the clock jumped) nobody knows what vanished.
        """
        if now_ns - self._looked_ns > _UNWATCHED_NS:
            self._watched_from_ns = now_ns
        self._looked_ns = now_ns
        return now_ns - self._watched_from_ns

    def silent_since(self, before_ns: int) -> Iterator[tuple[Mapping[str, str | None], Remembered]]:
        """Yield the edges last seen before a time and not told as vanished yet."""
        for identity, known in self._edges.items():
            if known.last_ns >= before_ns:
                continue
            if not known.vanished:
                yield dict(zip(EDGE_IDENTITY, identity, strict=True)), known

    def _make_room(self) -> None:
        while len(self._edges) > self._limit:
            del self._edges[next(iter(self._edges))]
            self.forgotten += 1


def versions_of(row: Mapping[str, Any]) -> Iterator[Version]:
    """Yield the versions at both ends of an edge, where they are known."""
    for side in ("source", "destination"):
        service, version = row[f"{side}.canonical.service"], row[f"{side}.version"]
        if service and version:
            yield row[f"{side}.workload.namespace"], service, version


def new_principals(known: set[tuple[str, str]], row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the identities of a row that an edge has not had, and remember them, as far as there is room."""
    seen = [(side, one) for side in ("source", "destination") for one in row[f"{side}.principals"]]
    new = [one for one in seen if one not in known][: max(0, _MAX_PRINCIPALS - len(known))]
    known.update(new)
    return new
