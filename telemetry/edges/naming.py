"""Which edge each row is of: known ones have a number, new ones get one, as far as there is room."""

from collections import Counter

import polars as pl

from telemetry.edges.file import EdgeFile
from telemetry.edges.index import OTHER_ID, Identity, Index, KnownEdge
from telemetry.processors.edge_slots import EDGE_IDENTITY, OTHER_EDGE

__all__ = ["Naming"]

# Where there is no room for a new edge, those go that were seen last the longest ago.
_MAKE_ROOM_RATIO = 0.1
_OTHER: Identity = tuple(OTHER_EDGE[name] for name in EDGE_IDENTITY)


class Naming:
    """Keeps the index and the file's edges alike, within a transaction of the caller's.

    `counts`: folded, rows that came as {other}; forgotten, edges that made room.
    """

    def __init__(self, file: EdgeFile, index: Index, counts: Counter[str]) -> None:
        self._file = file
        self._index = index
        self._counts = counts

    def ids(self, rows: pl.DataFrame) -> pl.Series:
        """Give the edge of each EDGE row, and take in what the row says of it."""
        seen = rows.select(
            "plain",
            "mtls",
            "source.principals",
            "destination.principals",
            last_ns=pl.col("last_seen").dt.epoch("ns"),
            errors=pl.col("client_errors") + pl.col("server_errors") + pl.col("unanswered"),
        )
        changed: list[KnownEdge] = []
        ids: list[int] = []
        for identity, row in zip(rows.select(EDGE_IDENTITY).iter_rows(), seen.iter_rows(named=True), strict=True):
            edge = self._edge(identity, row["last_ns"])
            if edge is None:
                ids.append(OTHER_ID)
                continue
            edge.saw(row)
            changed.append(edge)
            ids.append(edge.id)
        self._file.update_edges(changed)
        return pl.Series("edge", ids, dtype=pl.UInt64)

    def _edge(self, identity: Identity, seen_ns: int) -> KnownEdge | None:
        if identity == _OTHER:
            self._counts["folded"] += 1
            return None
        if (known := self._index.get(identity)) is not None:
            return known
        if self._index.full:
            going = self._index.oldest(max(1, int(len(self._index) * _MAKE_ROOM_RATIO)))
            self._file.delete_edges(going)
            self._index.forget(going)
            self._counts["forgotten"] += len(going)
        edge = self._file.add_edge(identity, seen_ns)
        self._index.add([edge])
        return edge
