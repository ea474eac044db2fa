"""Which Envoy a stream is of, who that is, and how many series all may have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from telemetry.envoy_stats.counting import Counting
from telemetry.envoy_stats.envoy import Envoy
from telemetry.envoy_stats.identity import identity_of
from telemetry.envoy_stats.rules import Rules
from telemetry.envoy_stats.shapes import Shape
from telemetry.envoy_stats.styles import ENVOY, STYLES
from telemetry.mesh.resolve import Resolver
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["Envoys", "Sender", "Who", "who_by"]


@dataclass(frozen=True, slots=True)
class Who:
    """Who an Envoy is, as the mesh knows it, and whose tags it extracts (styles.STYLES)."""

    workload: Workload
    style: str


def who_by(resolver: Resolver) -> Callable[[Node], Who]:
    """Make the function that tells who an Envoy is, by the resolver that access logs go by."""

    def who(node: Node) -> Who:
        dialect = resolver.dialect_of(node)
        return Who(resolver.workload(node), dialect if dialect in STYLES else ENVOY.name)

    return who


@dataclass(frozen=True, slots=True)
class Sender:
    """The Envoy behind a stream, and the number of its style."""

    envoy: Envoy
    style: int


class Envoys:
    """All Envoys that have sent stats lately. One that comes back under its id goes on where it stopped."""

    def __init__(self, rules: Rules, who: Callable[[Node], Who], hash_of: Callable[[tuple[str, ...]], int]) -> None:
        self._rules = rules
        self._who = who
        self._hash_of = hash_of
        self.identities = Shape(rules.identity)
        self._envoys: dict[tuple[str, str], Envoy] = {}
        self._senders: WeakKeyDictionary[Node, Sender] = WeakKeyDictionary()
        self.series = 0

    def __iter__(self) -> Iterator[Envoy]:
        return iter(list(self._envoys.values()))

    def sender(self, node: Node, now_ns: int) -> Sender:
        """Give who sends by this stream."""
        known = self._senders.get(node)
        if known is None:
            who = self._who(node)
            style = STYLES[who.style if self._rules.tags == "auto" else self._rules.tags]
            # Without an id a stream is all that we know.
            key = (node.id, node.cluster) if node.id else ("", str(node.number))
            envoy = self._envoys.get(key)
            if envoy is None:
                envoy = self._envoys[key] = self._made(identity_of(node, who.workload, self._rules.identity), now_ns)
            known = self._senders[node] = Sender(envoy, style.number)
        return known

    def _made(self, identity: tuple[str, ...], now_ns: int) -> Envoy:
        return Envoy(
            self.identities.add(identity), self._hash_of(identity), Counting(self._rules.counters), self._grant, now_ns
        )

    def _grant(self, wanted: int, held: int) -> int:
        """Say how many more series an Envoy that holds so many may have."""
        rules = self._rules
        room = max(min(wanted, rules.max_series - self.series, rules.max_series_per_envoy - held), 0)
        self.series += room
        return room

    def expire(self, before_ns: int) -> None:
        """Drop series not sent since, and Envoys that are gone with all of theirs and without any stream."""
        # Not only the stream that speaks: another one of the same Envoy may speak next.
        heard = {sender.envoy for sender in self._senders.values()}
        for key, envoy in list(self._envoys.items()):
            self.series -= envoy.expire(before_ns)
            if not len(envoy) and envoy not in heard and envoy.flushed_ns < before_ns:
                self.identities.free.append(envoy.code)
                del self._envoys[key]
