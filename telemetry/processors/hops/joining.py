"""Halves become HOP rows: two joined, or one alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import EDGE_REPORTER, HOP_MATCH, SCHEMAS, Template
from telemetry.processors.hops.identities import Identities
from telemetry.processors.hops.parts import SHARES, parts_of_both, parts_of_server

__all__ = ["Alone", "Pairs", "joined"]

_SCHEMA = SCHEMAS[Template.HOP]
Ints = npt.NDArray[np.int64]

# What the server says besides, or better.
_SERVER = {
    "response.code": "hop.server.code",
    "response.grpc_status": "hop.server.grpc_status",
    "response.flags": "hop.server.flags",
    "response.outcome": "hop.server.outcome",
    "response.blame": "hop.server.blame",
    "response.duration": "hop.server.duration",
    **{part: f"server.{part}" for part in SHARES},
}
_KNOWN_BETTER = ("request.operation", "trace.id", "trace.span_id", "request.id", "context.time")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions of clients and of their servers, what they were matched by, and attempts that servers told of."""

    client: Ints
    server: Ints
    matched_by: str
    attempts: Ints


@dataclass(frozen=True, slots=True)
class Alone:
    """Positions of halves without partner, and whether one ought to have come."""

    rows: Ints
    missing: npt.NDArray[np.bool_]


def joined(halves: pl.DataFrame, pairs: list[Pairs], alone: Alone, identities: Identities) -> pl.DataFrame:
    """Give the HOP rows."""
    frames = [_of_pairs(halves, some) for some in pairs if len(some.client)]
    if len(alone.rows):
        ends = halves[alone.rows].with_columns(pl.Series("missing", alone.missing))
        frames += [_of_clients(ends.filter("client")), _of_servers(ends.filter(~pl.col("client")))]
    if not frames:
        return pl.DataFrame(schema=dict(_SCHEMA))
    rows = pl.concat(frames, how="diagonal")
    key, identity = identities.of_pairs(rows["client.slot"], rows["server.slot"])
    named = identity.select(pl.all().gather(key))
    made = rows.with_columns(key.alias("context.key"), *named.get_columns())
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in _SCHEMA.items() if name not in made.columns]
    return made.with_columns(absent).select(list(_SCHEMA))


def _of_pairs(halves: pl.DataFrame, pairs: Pairs) -> pl.DataFrame:
    client = halves[pairs.client].drop("client", "answered", "id", "host", "from", "to", "entry")
    server = halves.select("slot", *_SERVER, *_KNOWN_BETTER)[pairs.server]
    theirs = server.select(pl.col("slot").alias("server.slot"), **{new: pl.col(old) for old, new in _SERVER.items()})
    ours = client.rename({"slot": "client.slot"}).with_columns(
        *(_first(client[name], server[name]) for name in _KNOWN_BETTER[:-1]),
        pl.max_horizontal("context.time", server["context.time"]).alias("context.time"),
    )
    return (
        pl.concat([ours, theirs], how="horizontal")
        .with_columns(
            *parts_of_both(),
            *_described("both", matched_by=pairs.matched_by),
            pl.Series("hop.attempts_seen", pairs.attempts, dtype=pl.UInt32),
        )
        .drop(*SHARES, *(f"server.{part}" for part in SHARES))
    )


def _first(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    return ours if not ours.null_count() else ours.zip_with(ours.is_not_null(), theirs)


def _of_clients(ends: pl.DataFrame) -> pl.DataFrame:
    shown = ends.with_columns(*_described("source"), pl.lit(0, pl.UInt32).alias("hop.attempts_seen"))
    return _bare(shown.with_columns(missing_destination="missing").rename({"slot": "client.slot"}), "server.slot")


def _of_servers(ends: pl.DataFrame) -> pl.DataFrame:
    views = [pl.col(old).alias(new) for old, new in _SERVER.items() if new.startswith("hop.")]
    shown = ends.with_columns(
        *parts_of_server(), *views, *_described("destination"), pl.lit(1, pl.UInt32).alias("hop.attempts_seen")
    )
    return _bare(shown.with_columns(missing_source="missing").rename({"slot": "server.slot"}), "client.slot")


def _bare(shown: pl.DataFrame, other_slot: str) -> pl.DataFrame:
    leftover = ("client", "answered", "id", "host", "from", "to", "entry", "missing", *SHARES)
    return shown.drop(leftover).with_columns(pl.lit(None, pl.UInt32).alias(other_slot))


def _described(reporter: str, matched_by: str | None = None) -> Iterator[pl.Expr]:
    yield pl.lit(reporter, EDGE_REPORTER).alias("hop.reporter")
    yield pl.lit(matched_by, HOP_MATCH).alias("hop.matched_by")
    yield pl.lit(value=False).alias("missing_source")
    yield pl.lit(value=False).alias("missing_destination")
