"""Which edges there are: identities by number, what is known of each besides its traffic."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import SCHEMAS, Template
from telemetry.processors.edge_slots import EDGE_IDENTITY, OTHER_EDGE

__all__ = ["OTHER_ID", "Identity", "Index", "KnownEdge"]

Identity = tuple[str | None, ...]
"""An edge's values of EDGE_IDENTITY."""
OTHER_ID = 0
"""The edge that stands for all that have no place here."""
_OTHER: Identity = tuple(OTHER_EDGE[name] for name in EDGE_IDENTITY)
_SCHEMA = {name: SCHEMAS[Template.EDGE][name] for name in EDGE_IDENTITY}
_MAX_PRINCIPALS = 32


@dataclass(slots=True)
class KnownEdge:
    """One edge. `secure`: whether all of the last traffic had mutual TLS; None: nobody knows.

    `failed`: there was an error (or no answer) once. Principals are kept in the order in which they appeared.
    """

    id: int
    identity: Identity
    first_ns: int
    last_ns: int
    secure: bool | None = None
    failed: bool = False
    source_principals: tuple[str, ...] = ()
    destination_principals: tuple[str, ...] = ()

    def saw(self, row: Mapping[str, Any]) -> None:
        """Take in what one EDGE row says."""
        self.last_ns = max(self.last_ns, row["last_ns"])
        if row["plain"] or row["mtls"]:
            self.secure = not row["plain"]
        self.failed = self.failed or bool(row["errors"])
        self.source_principals = _joined(self.source_principals, row["source.principals"])
        self.destination_principals = _joined(self.destination_principals, row["destination.principals"])


def _joined(known: tuple[str, ...], seen: list[str] | None) -> tuple[str, ...]:
    new = [one for one in seen or () if one not in known]
    return (*known, *new)[:_MAX_PRINCIPALS] if new else known


class Index:
    """Knows at most `limit` edges; asked for more, it gives OTHER_ID. For one thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._edges: dict[Identity, KnownEdge] = {}
        self._frame: pl.DataFrame | None = None

    def __len__(self) -> int:
        return len(self._edges)

    def __iter__(self) -> Iterator[KnownEdge]:
        return iter(self._edges.values())

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return len(self._edges) >= self._limit

    def get(self, identity: Identity) -> KnownEdge | None:
        """Give the edge, if it is known."""
        return self._edges.get(identity)

    def add(self, edges: Iterable[KnownEdge]) -> None:
        """Make edges known."""
        self._edges.update((edge.identity, edge) for edge in edges)
        self._frame = None

    def forget(self, edges: Iterable[KnownEdge]) -> None:
        """Let go of edges; what is kept of their traffic counts as {other} from now on."""
        for edge in edges:
            self._edges.pop(edge.identity, None)
        self._frame = None

    def oldest(self, count: int) -> Sequence[KnownEdge]:
        """Give the edges that were seen last the longest ago."""
        return sorted(self._edges.values(), key=lambda edge: edge.last_ns)[:count]

    def frame(self) -> pl.DataFrame:
        """Give all edges, {other} first. Columns: edge (UInt64), EDGE_IDENTITY, first_seen, last_seen."""
        known = list(self._edges.values())
        if self._frame is None:
            identities = pl.DataFrame([_OTHER, *(one.identity for one in known)], schema=_SCHEMA, orient="row")
            ids = pl.Series("edge", [OTHER_ID, *(one.id for one in known)], dtype=pl.UInt64)
            self._frame = identities.insert_column(0, ids)
        return self._frame.with_columns(
            pl.Series("first_seen", [None, *(one.first_ns for one in known)], dtype=pl.Int64).cast(TIMESTAMP),
            pl.Series("last_seen", [None, *(one.last_ns for one in known)], dtype=pl.Int64).cast(TIMESTAMP),
        )

    def principals(self) -> pl.DataFrame:
        """Give the identities proved on each edge. Columns: edge (UInt64), side (source, destination), principal."""
        rows = [
            (one.id, side, principal)
            for one in self._edges.values()
            for side, names in (("source", one.source_principals), ("destination", one.destination_principals))
            for principal in names
        ]
        return pl.DataFrame(rows, schema={"edge": pl.UInt64, "side": pl.String, "principal": pl.String}, orient="row")
