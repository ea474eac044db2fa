"""What an edge has several of: responses, blame, principals, latency targets missed."""

from collections.abc import Mapping, Sequence

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.edge_slots import OTHER

__all__ = ["COUNTED", "PRINCIPALS", "Tally", "counted_lists", "principal_lists"]

_EDGE = SCHEMAS[Template.EDGE]
PRINCIPALS = ("source.principals", "destination.principals")

# How many of one kind an edge shows; the rarest beyond are added up in one.
_MAX_OF_AN_EDGE = 64
_MAX_PRINCIPALS = 32
_COMPACT_AT = 65_536

COUNTED: Mapping[str, tuple[str, ...]] = {
    "responses": ("code", "grpc_status", "flags"),
    "blame": ("blame",),
    "reports": ("reporter", "code"),
    "slow": ("threshold_ms",),
}
"""EDGE's lists of counts, and the fields that tell their items apart."""

_FOLDED = {"flags": OTHER, "blame": OTHER, "code": None, "reporter": OTHER}


class Tally:
    """Adds up counts by slot and some fields, in frames that are compacted now and then: bounded by what is distinct.

    Every frame has column `slot`, the fields, and the counts.
    """

    def __init__(self, fields: Sequence[str], counts: Sequence[str] = ("count",)) -> None:
        self._keys = ("slot", *fields)
        self._counts = tuple(counts)
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._compact_at = _COMPACT_AT

    def add(self, frame: pl.DataFrame) -> None:
        """Add counts; equal keys may come again."""
        if frame.is_empty():
            return
        self._frames.append(frame.select(*self._keys, *self._counts))
        self._rows += len(frame)
        if self._rows >= self._compact_at:
            self._rows = len(self.taken(keep=True))
            self._compact_at = max(_COMPACT_AT, 2 * self._rows)

    def taken(self, *, keep: bool = False) -> pl.DataFrame:
        """Give the sums, one row for each key, and begin anew unless told to keep."""
        if not self._frames:
            return pl.DataFrame(schema=[*self._keys, *self._counts])
        summed = pl.concat(self._frames).group_by(self._keys).agg(pl.col(self._counts).sum())
        self._frames = [summed] if keep else []
        self._rows = len(self._frames and summed)
        return summed


def counted_lists(name: str, sums: pl.DataFrame) -> pl.DataFrame:
    """Columns: slot, and the list that EDGE calls `name`; each edge's most frequent first."""
    dtype = _EDGE[name]
    if sums.is_empty():
        return pl.DataFrame(schema={"slot": pl.Int64, name: dtype})
    counts = [column for column in sums.columns if column not in ("slot", *COUNTED[name])]
    ranked = sums.sort(counts[-1], descending=True).with_columns(pl.int_range(pl.len()).over("slot").alias("rank"))
    beyond = pl.col("rank") >= _MAX_OF_AN_EDGE - 1
    if name != "slow" and ranked.select(beyond.any()).item():
        folded = [
            pl.when(~beyond).then(field).otherwise(pl.lit(_FOLDED.get(field), sums.schema[field])).alias(field)
            for field in COUNTED[name]
        ]
        ranked = ranked.with_columns(folded).group_by("slot", *COUNTED[name], maintain_order=True).agg(
            pl.col(counts).sum()
        )  # fmt: skip
    listed = ranked.group_by("slot", maintain_order=True).agg(pl.struct(*COUNTED[name], *counts).alias(name))
    return listed.with_columns(pl.col(name).cast(dtype))


def principal_lists(pairs: pl.DataFrame) -> pl.DataFrame:
    """Columns: slot, source.principals, destination.principals (List(String), at most 32 each, in order)."""
    if pairs.is_empty():
        return pl.DataFrame(schema={"slot": pl.Int64, **{name: _EDGE[name] for name in PRINCIPALS}})
    return pairs.group_by("slot").agg(
        pl.col(f"{side}.principal").drop_nulls().unique().sort().head(_MAX_PRINCIPALS).alias(f"{side}.principals")
        for side in ("source", "destination")
    )
