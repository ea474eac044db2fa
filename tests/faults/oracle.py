"""Who knows what was asked, what is owed to each handler, and says what was broken."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Asked", "Identity", "Oracle", "Row"]


class Identity(NamedTuple):
    """What tells a row from all others, however often it comes."""

    receiver: str
    epoch: int
    sequence: int
    row: int


class Asked(NamedTuple):
    """A request, and what its client saw of the answer."""

    path: str
    code: int
    user_agent: str
    response_bytes: int


class Row(NamedTuple):
    """An entry as a sink, the journal or a dead letter has it."""

    identity: Identity
    id: str
    path: str
    code: int
    user_agent: str
    response_bytes: int

    @property
    def asked(self) -> Asked:
        return Asked(*self[2:])


@dataclass
class Oracle:
    """`owed`: ids that were seen in the journal, where `append` puts them. `faults`: what was found to be broken."""

    asked: dict[str, Asked] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    given_up: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By handler: ids that the journal's damage cost, and that were counted."""

    def owes(self, rows: Iterable[Row]) -> None:
        """Take over what the journal has."""
        for row in rows:
            self._genuine("the journal", row)
            self.owed.add(row.id)

    def durable_before_it_arrived(self, journal: Collection[Row], arrived: Iterable[Row]) -> None:
        """A handler reads what `append` has returned for: so what arrived must be in the file after a crash."""
        kept = {row.identity for row in journal}
        if early := {row.id for row in arrived if row.identity not in kept}:
            self.faults.append(f"durability: {len(early)} arrived and are not in the journal: {_some(early)}")

    def missing(self, handler: str, arrived: Iterable[Row]) -> set[str]:
        """Give what is owed to the handler and has not arrived."""
        return self.owed - {row.id for row in arrived} - self.given_up[handler]

    def judge(self, arrived: Mapping[str, Collection[Row]]) -> None:
        """At the end: all that arrived, dead letters too, by handler."""
        identities: dict[str, set[Identity]] = defaultdict(set)
        for handler, rows in arrived.items():
            if lost := self.missing(handler, rows):
                self.faults.append(f"conservation: {len(lost)} durable and not at {handler}: {_some(lost)}")
            for row in rows:
                self._genuine(handler, row)
                identities[row.id].add(row.identity)
        for id_, known_as in identities.items():
            if len(known_as) > 1:
                self.faults.append(f"identity: {id_} came as {sorted(known_as)}")
        common = Counter(identity for known_as in identities.values() for identity in known_as)
        if doubled := [identity for identity, times in common.items() if times > 1]:
            self.faults.append(f"identity: different requests came as {doubled[:3]}")

    def _genuine(self, where: str, row: Row) -> None:
        asked = self.asked.get(row.id)
        if asked is None:
            self.faults.append(f"provenance: {where} has {row.id!r}, which was never asked")
        elif asked != row.asked:
            self.faults.append(f"integrity: {where} has {row}, asked was {asked}")


def _some(ids: Collection[str]) -> str:
    return ", ".join(_first(sorted(ids)))


def _first(ids: list[str]) -> Iterator[str]:
    yield from ids[:5]
    if len(ids) > 5:
        yield "…"
