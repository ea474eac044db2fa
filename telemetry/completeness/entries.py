"""Which rows are the ones that Envoys' counters count, of which Envoy, and when they ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.completeness.envoys import UNNUMBERED, Envoys, Who

__all__ = ["READS", "Entries", "Senders", "entries"]

_END = ("workload.name", "workload.namespace", "cluster.id")
_SIDES = ("source", "destination")
_WHO = ("context.reporter.uid", "context.reporter.kind", "context.protocol",
        *(f"{side}.{name}" for side in _SIDES for name in _END))  # fmt: skip
READS = frozenset(
    {"context.key", "context.time", "request.counts", "request.time", "response.duration", "connection.opened", *_WHO}
)

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Entries:
    """Requests by when they ended, connections by when they were opened; by the Envoys' clocks."""

    http: tuple[Codes, Times]
    tcp: tuple[Codes, Times]


_NONE = np.zeros(0, np.int32), np.zeros(0, np.int64)


class Senders:
    """Numbers the Envoys behind entries; asks who they are once until `clear`."""

    def __init__(self, envoys: Envoys) -> None:
        self._envoys = envoys
        self._known: dict[str | None, int] = {}

    def clear(self) -> None:
        """Ask anew: who they are may be known by now, and who is heard of is not forgotten."""
        self._known.clear()

    def codes(self, rows: pl.DataFrame, first: pl.Series, now_ns: int) -> Codes:
        """Give the number of the Envoy of each of these rows, by their positions."""
        nodes = rows["context.reporter.uid"].gather(first).to_list()
        if unknown := [at for at, node in enumerate(nodes) if node not in self._known]:
            self._learn(rows[list(_WHO)][first[unknown]], now_ns)
        return np.fromiter(map(self._known.__getitem__, nodes), np.int32, len(nodes))

    def _learn(self, kinds: pl.DataFrame, now_ns: int) -> None:
        for node, who in _named(kinds):
            if self._known.get(node, UNNUMBERED) == UNNUMBERED:
                envoy = self._envoys.find(node, who, now_ns) if node else None
                self._known[node] = envoy.code if envoy else UNNUMBERED


def entries(rows: pl.DataFrame, senders: Senders, now_ns: int) -> Entries:
    """Give those of LOGENTRY rows, at least one; rows of Envoys that have no number are left out."""
    key, places = _keys(rows)
    first = pl.Series(places)
    code_of_key = senders.codes(rows, first, now_ns)
    protocols = rows["context.protocol"].gather(first).to_list()
    tcp_of_key = np.fromiter((protocol == "tcp" for protocol in protocols), np.bool_, len(protocols))
    started = _integers(rows["request.time"], lambda: _integers(rows["context.time"], lambda: np.array(now_ns)))
    lasted = _integers(rows["response.duration"], lambda: np.array(0))
    requests = np.where(tcp_of_key, UNNUMBERED, code_of_key).take(key)
    http = _marked(rows["request.counts"]) & (requests != UNNUMBERED)
    if not tcp_of_key.any():
        return Entries(_those(http, requests, started + lasted), _NONE)
    connections = np.where(tcp_of_key, code_of_key, UNNUMBERED).take(key)
    opened = _marked(rows["connection.opened"]) & (connections != UNNUMBERED)
    return Entries(_those(http, requests, started + lasted), _those(opened, connections, started))


def _those(marked: Bools, code: Codes, time_ns: Times) -> tuple[Codes, Times]:
    return (code, time_ns) if marked.all() else (code[marked], time_ns[marked])


def _keys(rows: pl.DataFrame) -> tuple[npt.NDArray[np.integer], Times]:
    """Give each row's place among the distinct keys, and a row of each key."""
    key = rows["context.key"].to_numpy()
    size = int(key.max()) + 1
    if size > 4 * len(key) + 1024:
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        return place, first
    # Keys are small and dense: no need to sort.
    row = np.full(size, -1, np.int64)
    row[key] = np.arange(len(key), dtype=np.int64)
    used = row >= 0
    return (key, row) if used.all() else ((np.cumsum(used) - 1)[key], row[used])


def _named(kinds: pl.DataFrame) -> Iterator[tuple[str | None, Who]]:
    own = {side: [f"{side}.{name}" for name in _END] for side in _SIDES}
    for row in kinds.iter_rows(named=True):
        side = "source" if row["context.reporter.kind"] == "outbound" else "destination"
        # A waypoint is at neither end: its metrics say whose it is.
        waypoint = row["context.reporter.kind"] == "waypoint"
        workload, namespace, cluster = (None if waypoint else row[name] for name in own[side])
        yield row["context.reporter.uid"], (workload, namespace, cluster)


def _integers(values: pl.Series, absent: Callable[[], Times]) -> Times:
    """Give nanoseconds; where there are none, what `absent` gives."""
    if not values.null_count():
        # In whichever unit NumPy has it: that takes no work.
        return values.to_numpy().view(np.int64)
    numbers = values.to_physical()
    return np.where(numbers.is_null().to_numpy(), absent(), numbers.fill_null(0).to_numpy())


def _marked(values: pl.Series) -> Bools:
    marked: Bools = (values.fill_null(value=False) if values.null_count() else values).to_numpy()
    return marked
