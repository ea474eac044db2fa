"""One look at all that waits: who has found whom, and who has waited long enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.answers import Answers
from telemetry.processors.hops.hashes import Hashes, among, combined
from telemetry.processors.hops.identities import Identities
from telemetry.processors.hops.joining import Alone, Pairs
from telemetry.processors.hops.matching import Ends, match
from telemetry.processors.hops.retried import Retried
from telemetry.processors.hops.settings import HopsSettings

__all__ = ["Settled", "Sweep"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of the halves, by position; `left`: those that go on waiting."""

    pairs: list[Pairs]
    alone: Alone
    left: Ints
    attempts: int
    """Halves that were earlier attempts of a request, and have no row."""
    evicted: int
    """Halves among `alone` for which there was no room."""
    told: int
    """Reports of connections whose other end tells of them too."""


@dataclass
class Sweep:
    """Looks at `halves` (HALF) once. Make it, then `settle` it."""

    halves: pl.DataFrame
    identities: Identities
    answers: Answers
    retried: Retried
    settings: HopsSettings
    now_ns: int
    _pairs: list[Pairs] = field(default_factory=list, init=False)
    _attempts: int = field(default=0, init=False)

    def settle(self, *, all_due: bool = False) -> Settled:
        """Match what can be matched. `all_due`: nothing may go on waiting."""
        self._read()
        reports = self._free & self._partial
        told = reports & ~self._client & self._known
        # No connection, no server; and a report of a connection that goes on has no counterpart.
        alone = (self._free & self._client & (self._from == 0)) | (reports & ~told)
        self._free &= ~(alone | told)
        self._match("addresses", np.flatnonzero(self._free & (self._key != 0)))
        due = self._free & (all_due | (self._received <= self.now_ns - self._patience()))
        if due.any():
            self._match_by_other_clues(due)
        attempts = due & self._free & ~self._client
        attempts[attempts] = self.retried.take(self._attempt_key(np.flatnonzero(attempts)))
        self._free &= ~attempts
        due &= self._free
        self._free &= ~due
        evicted = self._evicted()
        self._free &= ~evicted
        self._attempts += int(attempts.sum())
        rows = np.flatnonzero(alone | due | evicted)
        missing = (due & self._known & self.halves["answered"].to_numpy())[rows]
        return Settled(
            self._pairs, Alone(rows, missing), np.flatnonzero(self._free),
            self._attempts, int(evicted.sum()), int(told.sum()),
        )  # fmt: skip

    def _read(self) -> None:
        self._client, self._key, self._host, self._id, self._from, self._to = (
            self.halves[name].to_numpy() for name in ("client", "key", "host", "id", "from", "to")
        )
        # Places to look things up are made what numpy counts by once, not each time.
        self._slots, answers = (self.halves[name].to_numpy().astype(np.int64) for name in ("slot", "answer"))
        start, duration, self._received = (
            numbers(self.halves[name]) for name in ("request.time", "response.duration", "context.time")
        )
        self._partial = self.answers.going_on(answers)
        self._ends = Ends(self._client, start, start + duration, self.answers.attempts(answers))
        self._free = np.ones(len(self.halves), np.bool_)
        self._known = self.identities.others_report(self._slots, self._client, self.now_ns)

    def _patience(self) -> Ints:
        window, grace = self.settings.window_s, min(self.settings.grace_s, self.settings.window_s)
        return np.where(self._known, int(window * _SECOND_NS), int(grace * _SECOND_NS))

    def _number(self, name: str) -> Hashes:
        return self.identities.number(name, self._slots)

    def _match_by_other_clues(self, due: Bools) -> None:
        for matched_by, parts in self._clues():
            shared = self._shared(parts[0])
            for part in parts[1:]:
                shared &= part != 0
            if shared.any():
                self._match(matched_by, np.flatnonzero(shared), parts, due)

    def _clues(self) -> Iterator[tuple[str, tuple[Hashes, ...]]]:
        source, destination, service = (self._number(name) for name in ("source", "destination", "service"))
        yield "client_address", (self._id, self._from)
        yield "server_address", (self._id, self._to)
        yield "workloads", (self._id, source, destination)
        yield "destination", (self._id, destination, service)
        yield "source", (self._id, source, service)
        if (self._free & (self._id == 0)).any():
            yield "connection", (self._from, self._to)

    def _shared(self, clue: Hashes) -> Bools:
        """Tell which halves have a clue that a half of the other side has too: mostly none, which spares the rest."""
        free = self._free & (clue != 0)
        shared = np.zeros(len(clue), np.bool_)
        clients, servers = np.flatnonzero(free & self._client), np.flatnonzero(free & ~self._client)
        if len(clients) and len(servers):
            shared[clients] = among(clue[clients], clue[servers])
            shared[servers] = among(clue[servers], clue[clients])
        return shared

    def _match(self, matched_by: str, rows: Ints, parts: tuple[Hashes, ...] = (), due: Bools | None = None) -> None:
        """Match halves, by number, whose `parts` are equal (without any: whose key is); of two, one must be due."""
        key = combined(*(part[rows] for part in parts)) if parts else self._key[rows]
        found = match(key, rows, self._ends, int(self.settings.max_clock_skew_s * _SECOND_NS))
        client, server = found.client, found.server
        if due is not None:
            chosen = due[client] | due[server]
            client, server = client[chosen], server[chosen]
        if len(client):
            self._take(matched_by, client, server, found.earlier, found.earlier_of)

    def _take(self, matched_by: str, client: Ints, server: Ints, earlier: Ints, earlier_of: Ints) -> None:
        # In the order of the clients: who gathers their columns then goes through memory once.
        partner = np.full(len(self._free), -1)
        partner[client] = server
        client = np.flatnonzero(partner >= 0)
        server = partner[client]
        self._free[client] = self._free[server] = False
        here = partner[earlier_of] >= 0
        self._free[earlier[here]] = False
        self._attempts += int(here.sum())
        attempts = 1 + np.bincount(earlier_of[here], minlength=len(self._free))
        again = client[self._ends.attempts[client] > 1]
        if len(again):
            attempts = attempts + self._expect(again, self._ends.attempts[again] - attempts[again])
        self._pairs.append(Pairs(client, server, matched_by, attempts[client]))

    def _expect(self, clients: Ints, left: Ints) -> Ints:
        """Take the earlier attempts that are here, and expect the others; give how many are here, by position."""
        keys = self._attempt_key(clients)
        window_ns = int(self.settings.window_s * _SECOND_NS)
        self.retried.add(keys, np.maximum(left, 0), self.now_ns + 2 * window_ns)
        rows = np.flatnonzero(self._free & ~self._client)
        server_keys = self._attempt_key(rows)
        here = self.retried.take(server_keys)
        self._free[rows[here]] = False
        self._attempts += int(here.sum())
        counts = np.zeros(len(self._free), np.int64)
        distinct, first = np.unique(keys, return_index=True)
        # Of several requests with one key the count stands with the first; others' were expected since before.
        at = np.minimum(np.searchsorted(distinct, server_keys[here]), len(distinct) - 1)
        ours = distinct[at] == server_keys[here]
        np.add.at(counts, clients[first[at[ours]]], 1)
        return counts

    def _attempt_key(self, rows: Ints) -> Hashes:
        """Name requests as all their attempts know them: the id, the client's host, and which service."""
        return combined(self._id[rows], self._host[rows], self.identities.number("service", self._slots[rows]))

    def _evicted(self) -> Bools:
        over = int(self._free.sum()) - self.settings.max_entries
        evicted = np.zeros(len(self._free), np.bool_)
        if over > 0:
            waiting = np.flatnonzero(self._free)
            evicted[waiting[np.argsort(self._received[waiting], kind="stable")[:over]]] = True
        return evicted
