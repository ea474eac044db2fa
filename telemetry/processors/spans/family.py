"""Who is whose parent among the spans that were seen together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.processors.hops.hashes import Hashes, among, combined
from telemetry.processors.hops.matching import Ends, by_key_and_time, match

__all__ = ["Family", "Spans", "family"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_ZERO = np.uint64(0)
_NOBODY = -1
_SKEW_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans by row; hashes are 0 where there is nothing to hash.

    `trace`: which belong together; `span`: the span id that was logged; `id`: the request's; `node`: the Envoy;
    `sender`, `receiver`: addresses of both ends of the connection.
    """

    ends: Ends
    trace: Hashes
    span: Hashes
    id: Hashes
    node: Hashes
    sender: Hashes
    receiver: Hashes


@dataclass(frozen=True, slots=True)
class Family:
    """By row: `client`, of a server the span of who called it; `around`, of a client the server span that it is in.

    Both are rows, or -1. `last`: whether a server's is the client's last attempt.
    """

    client: Ints
    around: Ints
    last: Bools


def family(spans: Spans) -> Family:
    """Find each span's kin."""
    count = len(spans.trace)
    client, last = np.full(count, _NOBODY), np.zeros(count, np.bool_)
    # The request's id, else its trace's: hops of one trace have other addresses.
    request = np.where(spans.id == 0, spans.trace, spans.id)
    paired = np.zeros(count, np.bool_)
    for parts in ((request, spans.sender, spans.receiver), (request, spans.sender), (request, spans.receiver)):
        free = ~paired
        for part in parts:
            free &= part != 0
        rows = np.flatnonzero(free)
        if not len(rows) or spans.ends.client[rows].all() or not spans.ends.client[rows].any():
            continue
        found = match(combined(*(part[rows] for part in parts)), rows, spans.ends, _SKEW_NS)
        client[found.earlier] = found.earlier_of
        client[found.server] = found.client
        last[found.server] = True
        paired[np.concatenate([found.earlier, found.server, found.client])] = True
    _adopt_attempts(spans, request, client)
    return Family(client, _around(spans), last)


def _adopt_attempts(spans: Spans, request: Hashes, client: Ints) -> None:
    """Give servers without a client the one that was trying again while they began: theirs was an earlier attempt."""
    ends = spans.ends
    candidate = (ends.client & (ends.attempts > 1)) | (~ends.client & (client == _NOBODY))
    if not (candidate & ends.client).any():
        return
    rows = np.flatnonzero(candidate)
    before = _last_before(combined(spans.trace[rows], request[rows]), ends.client[rows], ends.start[rows])
    mine = np.flatnonzero(~ends.client[rows] & (before != _NOBODY))
    servers, theirs = rows[mine], rows[before[mine]]
    within = ends.start[servers] <= ends.end[theirs]
    client[servers[within]] = theirs[within]


def _around(spans: Spans) -> Ints:
    """Find the request that an Envoy's application was serving when it called: both times are of one clock."""
    around = np.full(len(spans.trace), _NOBODY)
    clients, servers = np.flatnonzero(spans.ends.client & (spans.node != 0)), np.flatnonzero(~spans.ends.client)
    whole = combined(spans.trace, spans.node)
    clients = clients[among(whole[clients], whole[servers])]
    servers = servers[among(whole[servers], whole[clients])]
    # An application may go on after its caller has left: then the last request that it was given counts.
    for key, ended_too in ((combined(whole, spans.id), False), (whole, False), (whole, True)):
        if not len(clients):
            break
        rows = np.concatenate([servers, clients])
        before = _last_before(key[rows], ~spans.ends.client[rows], spans.ends.start[rows])[len(servers) :]
        theirs = rows[before]
        found = (before != _NOBODY) & (ended_too | (spans.ends.start[clients] <= spans.ends.end[theirs]))
        around[clients[found]] = theirs[found]
        clients = clients[~found]
    return around


def _last_before(key: Hashes, giver: Bools, start: Ints) -> Ints:
    """Give each row the last giver of its key that began no later; -1 for none."""
    # Of those that begin together givers come first.
    order = by_key_and_time(key, start * 2 + ~giver)
    sorted_key = key[order]
    numbers = np.arange(len(order))
    first = np.ones(len(order), np.bool_)
    first[1:] = sorted_key[1:] != sorted_key[:-1]
    begin = np.maximum.accumulate(np.where(first, numbers, 0))
    last = np.maximum.accumulate(np.where(giver[order], numbers, _NOBODY))
    found = np.full(len(order), _NOBODY)
    found[order] = np.where(last >= begin, order[last], _NOBODY)
    return found
