"""An EDGE batch as narrow frames that add up: what a segment holds."""

import io
from collections.abc import Mapping, Sequence

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.edge_lists import COUNTED
from telemetry.processors.edge_sums import LATENCIES, SUMS
from telemetry.processors.signals import BOUNDS

__all__ = ["BUCKETS", "KEYS", "LATENCY_PARTS", "PART_SCHEMAS", "bounded", "decoded", "encoded", "merged", "parts_of"]

BUCKETS = tuple(f"bucket_{at}" for at in range(len(BOUNDS) + 1))
"""The columns of a latency histogram; bucket i ends at BOUNDS[i], the last at +Inf."""
LATENCY_PARTS = tuple(name for name in LATENCIES if name != "latency")

KEYS: Mapping[str, tuple[str, ...]] = {
    "sums": ("edge",),
    "latencies": ("edge", "part"),
    **{name: ("edge", *fields) for name, fields in COUNTED.items() if name != "slow"},
    "promises": ("namespace", "name", "threshold_ms"),
}
"""The parts of a segment, and the columns that name a row of each; all others are sums.

`sums`: SUMS, the latency (count, sum_ms, BUCKETS), count and sum_ms of its parts. `latencies`: BUCKETS of the parts.
`promises`: of each service addressed, `bad` of `total` requests: failed or unanswered where threshold_ms is null, else
those that took longer. The others are EDGE's lists, an item a row.
"""


def parts_of(rows: pl.DataFrame, ids: pl.Series) -> Mapping[str, pl.DataFrame]:
    """Give the parts of EDGE rows, whose edges have these ids; without those that are empty."""
    made = _parts(rows.with_columns(ids.cast(pl.UInt64).alias("edge")))
    return {name: merged(name, [frame]) for name, frame in made.items() if len(frame)}


def _parts(rows: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
    lists = {name: _items(rows, name) for name in KEYS if name in COUNTED}
    return {"sums": _sums(rows), "latencies": _latencies(rows), **lists, "promises": _promises(rows)}


def _sums(rows: pl.DataFrame) -> pl.DataFrame:
    totals = [
        pl.col(name).struct.field(field).alias(f"{name}.{field}") for name in LATENCIES for field in ("count", "sum_ms")
    ]
    return rows.select("edge", *SUMS, *totals, *_buckets("latency")).with_columns(pl.exclude("edge").fill_null(0))


def _latencies(rows: pl.DataFrame) -> pl.DataFrame:
    frames = [
        rows.filter(pl.col(name).struct.field("count") > 0).select(
            "edge", pl.lit(name).alias("part"), *_buckets(name)
        )
        for name in LATENCY_PARTS
    ]  # fmt: skip
    return pl.concat(frames).with_columns(pl.col(BUCKETS).fill_null(0))


def _buckets(name: str) -> list[pl.Expr]:
    buckets = pl.col(name).struct.field("buckets")
    return [buckets.list.get(at, null_on_oob=True).alias(column) for at, column in enumerate(BUCKETS)]


def _items(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.select("edge", name).filter(pl.col(name).list.len() > 0).explode(name).unnest(name)


def _promises(rows: pl.DataFrame) -> pl.DataFrame:
    service = {"namespace": "destination.service.namespace", "name": "destination.service.name"}
    asked = rows.filter(pl.col("destination.service.name").is_not_null())
    failed = (pl.col("server_errors") + pl.col("unanswered")).alias("bad")
    answers = asked.filter(pl.col("requests") > 0).select(
        **service, threshold_ms=pl.lit(None, pl.Float64), bad=failed, total="requests"
    )
    slow = asked.select(**service, slow="slow").filter(pl.col("slow").list.len() > 0).explode("slow").unnest("slow")
    return pl.concat([answers, slow.rename({"slow": "bad"})])


def merged(part: str, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add up frames of one part; at least one."""
    together = pl.concat(frames, rechunk=False)
    return together.group_by(KEYS[part]).agg(pl.all().sum())


def bounded(part: str, frame: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Keep the `limit` services with most requests of `promises`; any other part is bounded by its edges."""
    if part != "promises" or len(frame) <= limit:
        return frame
    ranked = frame.sort("total", descending=True)
    kept = pl.int_range(pl.len()) < limit
    named = [pl.when(kept).then(name).alias(name) for name in ("namespace", "name")]
    return merged(part, [ranked.with_columns(*named)])


def encoded(frame: pl.DataFrame) -> bytes:
    """Give the frame as bytes (Arrow IPC, zstd)."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def decoded(body: bytes) -> pl.DataFrame:
    """Give the frame back."""
    return pl.read_ipc(io.BytesIO(body))


PART_SCHEMAS: Mapping[str, pl.Schema] = {
    name: frame.schema
    for name, frame in _parts(
        pl.DataFrame(schema=dict(SCHEMAS[Template.EDGE])).with_columns(edge=pl.lit(0, pl.UInt64))
    ).items()
}
"""Columns and types of each part."""
