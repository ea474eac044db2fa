"""Which client's entry and which server's are of one request: those with equal keys, in the order of their times."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.processors.hops.hashes import Hashes

__all__ = ["Ends", "Found", "by_key_and_time", "match"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_LATEST = np.iinfo(np.int64).max
_BITS = 63
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Ends:
    """Entries to be matched; times in ns, each by its own Envoy's clock."""

    client: Bools
    start: Ints
    end: Ints
    attempts: Ints

    def take(self, rows: Ints) -> "Ends":
        """Give those at these positions."""
        return Ends(self.client[rows], self.start[rows], self.end[rows], self.attempts[rows])


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs of positions; and earlier attempts that servers told of, each with its client."""

    client: Ints
    server: Ints
    earlier: Ints
    earlier_of: Ints


_NONE = Found(_NOTHING, _NOTHING, _NOTHING, _NOTHING)


def match(key: Hashes, rows: Ints, ends: Ends, skew_ns: int) -> Found:
    """Pair clients and servers of equal keys whose times are no further apart than `skew_ns`.

    `rows`: the positions in `ends` that the keys are of. Where a key has several of each, equally many pair in their
    order, whatever the clocks say; otherwise a server belongs to the last client that began before it. Of several
    servers of one client the last pairs, if the client tried again, and the earlier ones are its attempts; else the
    first.
    """
    order = np.argsort(key)
    in_order, place = key.take(order), rows.take(order)
    client = ends.client.take(place)
    same = in_order[1:] == in_order[:-1]
    # Nearly all keys have one of each, and stand beside nobody else.
    alone = same & (client[1:] != client[:-1])
    alone[1:] &= ~same[:-1]
    alone[:-1] &= ~same[1:]
    at = np.flatnonzero(alone)
    first, second, of_client = place.take(at), place.take(at + 1), client.take(at)
    clients, servers = np.where(of_client, first, second), np.where(of_client, second, first)
    crowded = np.zeros(len(key), np.bool_)
    crowded[1:] |= same
    crowded[:-1] |= same
    crowded[at] = crowded[at + 1] = False
    found = _match_crowded(in_order[crowded], place[crowded], ends) if crowded.any() else _NONE
    if len(found.client):
        clients, servers = np.concatenate([clients, found.client]), np.concatenate([servers, found.server])
    # Mostly all that waits is from within that time.
    if len(ends.start) and ends.start.max() - skew_ns > ends.end.min():
        near = _near(ends, clients, servers, skew_ns)
        clients, servers = clients[near], servers[near]
    return Found(clients, servers, found.earlier, found.earlier_of)


def _near(ends: Ends, some: Ints, others: Ints, skew_ns: int) -> Bools:
    near: Bools = ends.start[some] - skew_ns <= ends.end[others]
    near &= ends.start[others] - skew_ns <= ends.end[some]
    return near


def by_key_and_time(key: Hashes, time: Ints) -> Ints:
    """Give the order by key, and of equal keys by time."""
    order = np.argsort(key)
    in_order = key[order]
    changes = np.zeros(len(key), np.int64)
    np.not_equal(in_order[1:], in_order[:-1], out=changes[1:], casting="unsafe")
    # Both in one number, which sorts many times faster than two.
    group = np.cumsum(changes, out=changes)
    since = time[order]
    since -= since.min(initial=_LATEST)
    bits = int(since.max(initial=0)).bit_length()
    if bits + len(key).bit_length() >= _BITS:
        return np.lexsort((time, key))
    group <<= bits
    group |= since
    return order[np.argsort(group)]


def _match_crowded(key: Hashes, rows: Ints, ends: Ends) -> Found:
    """Match keys that have several ends; `rows`: where they are."""
    # By key, then time; at the same time clients first.
    order = np.lexsort((~ends.client[rows], ends.start[rows], key))
    rows = rows[order]
    here = ends.take(rows)
    _, group = np.unique(key[order], return_inverse=True)
    clients, servers = (
        np.bincount(group, weights=side, minlength=group[-1] + 1) for side in (here.client, ~here.client)
    )
    orderly = (clients == servers)[group]
    single = ((clients == 1) & (servers > 1))[group]
    possible = ((clients > 0) & (servers > 0))[group]
    in_order = _by_rank(here, group, orderly & possible)
    by_time = _by_time(here, group, possible & ~orderly, single)
    whose = [np.concatenate(side) for side in zip(in_order, by_time, strict=True)]
    client, server = whose
    chosen = _chosen(here, client, server)
    earlier = ~chosen & (here.attempts[client] > 1)
    return Found(rows[client[chosen]], rows[server[chosen]], rows[server[earlier]], rows[client[earlier]])


def _by_rank(here: Ends, group: Ints, wanted: Bools) -> tuple[Ints, Ints]:
    """Pair the first with the first, the second with the second: rows stand by group and time."""
    at = np.flatnonzero(wanted)
    at = at[np.lexsort((at, here.client[at], group[at]))]
    # Within a group servers now stand before as many clients.
    is_client = here.client[at]
    return at[is_client], at[~is_client]


def _by_time(here: Ends, group: Ints, wanted: Bools, single: Bools) -> tuple[Ints, Ints]:
    """Give each server the last client before it; where its group has one client only, that one."""
    numbers = np.arange(len(group))
    last = np.maximum.accumulate(np.where(here.client, numbers, -1))
    only = np.full(group[-1] + 1, -1)
    only[group[here.client]] = numbers[here.client]
    last = np.where(single, only[group], last)
    servers = np.flatnonzero(wanted & ~here.client & (last >= 0))
    servers = servers[group[last[servers]] == group[servers]]
    return last[servers], servers


def _chosen(here: Ends, client: Ints, server: Ints) -> Bools:
    """Tell which of a client's servers pairs with it: the last attempt's; without attempts the first."""
    order = np.lexsort((np.where(here.attempts[client] > 1, -server, server), client))
    leads = np.ones(len(order), np.bool_)
    leads[1:] = client[order][1:] != client[order][:-1]
    chosen = np.zeros(len(order), np.bool_)
    chosen[order] = leads
    return chosen
