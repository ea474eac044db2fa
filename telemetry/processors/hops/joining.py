"""Halves become HOP rows: two joined, or one alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.halves import HALF
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
}
_KNOWN_BETTER = ("request.operation", "trace.id", "trace.span_id", "request.id")
_SHOWN = [name for name in HALF if name in _SCHEMA]
_OURS = [*_SHOWN, *SHARES, "slot"]
_THEIRS = [*_SERVER, "context.time", *SHARES, "slot"]


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
        client = halves["client"].to_numpy()[alone.rows]
        frames += [_of_clients(halves, _only(alone, client)), _of_servers(halves, _only(alone, ~client))]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pl.DataFrame(schema=dict(_SCHEMA))
    rows = pl.concat(frames, how="diagonal", rechunk=True) if len(frames) > 1 else frames[0]
    key, identity = identities.of_pairs(rows["client.slot"], rows["server.slot"])
    named = identity.select_seq(pl.all().gather(key)).get_columns()
    known = {"context.key", *rows.columns, *identity.columns}
    absent = [_all(name, None, len(rows)) for name in _SCHEMA if name not in known]
    return rows.hstack([key.alias("context.key"), *named, *absent])[list(_SCHEMA)]


def _only(alone: Alone, chosen: npt.NDArray[np.bool_]) -> Alone:
    return Alone(alone.rows[chosen], alone.missing[chosen])


def _taken(halves: pl.DataFrame, names: list[str], rows: Ints) -> pl.DataFrame:
    return halves[names].select_seq(pl.all().gather(pl.Series(rows.astype(np.uint32))))


def _of_pairs(halves: pl.DataFrame, pairs: Pairs) -> pl.DataFrame:
    ours = _taken(halves, _OURS, pairs.client)
    wanting = [name for name in _KNOWN_BETTER if ours[name].null_count()]
    theirs = _taken(halves, [*_THEIRS, *wanting], pairs.server)
    times = {"context.time": _later(ours["context.time"], theirs["context.time"])}
    better = {name: _first(ours[name], theirs[name]) for name in wanting}
    parts = parts_of_both(_times(ours), _times(theirs))
    servers = [theirs[old].alias(new) for old, new in _SERVER.items()]
    described = _described("both", len(ours), matched_by=pairs.matched_by)
    seen = pl.Series("hop.attempts_seen", pairs.attempts.astype(np.uint32))
    slots = [ours["slot"].alias("client.slot"), theirs["slot"].alias("server.slot")]
    return ours[_SHOWN].with_columns_seq(**(times | better)).hstack([*slots, *servers, *parts, *described, seen])


def _of_clients(halves: pl.DataFrame, alone: Alone) -> pl.DataFrame:
    ours = _taken(halves, _OURS, alone.rows)
    described = [*_described("source", len(ours)), _all("hop.attempts_seen", 0, len(ours))]
    slots = [ours["slot"].alias("client.slot"), _all_slots("server.slot", len(ours))]
    missing = pl.Series("missing_destination", alone.missing)
    return ours[_SHOWN].hstack([*slots, *described]).with_columns_seq(missing)


def _of_servers(halves: pl.DataFrame, alone: Alone) -> pl.DataFrame:
    theirs = _taken(halves, _OURS, alone.rows)
    described = [*_described("destination", len(theirs)), _all("hop.attempts_seen", 1, len(theirs))]
    described += [theirs[old].alias(new) for old, new in _SERVER.items()]
    slots = [theirs["slot"].alias("server.slot"), _all_slots("client.slot", len(theirs))]
    missing = pl.Series("missing_source", alone.missing)
    shown = theirs[_SHOWN].hstack([*slots, *described, *parts_of_server(_times(theirs))])
    return shown.with_columns_seq(missing)


def _times(rows: pl.DataFrame) -> dict[str, Ints]:
    return {name: rows[name].to_numpy() for name in SHARES}


def _first(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    return ours.zip_with(ours.is_not_null(), theirs)


def _later(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    later = np.maximum(ours.to_physical().to_numpy(), theirs.to_physical().to_numpy())
    return pl.Series(ours.name, later).cast(ours.dtype)


def _described(reporter: str, count: int, matched_by: str | None = None) -> Iterator[pl.Series]:
    yield _all("hop.reporter", reporter, count)
    yield _all("hop.matched_by", matched_by, count)
    yield _all("missing_source", value=False, count=count)
    yield _all("missing_destination", value=False, count=count)


def _all(name: str, value: object, count: int) -> pl.Series:
    return pl.Series(name, [value], _SCHEMA[name]).new_from_index(0, count)


def _all_slots(name: str, count: int) -> pl.Series:
    return pl.Series(name, [None], pl.UInt32).new_from_index(0, count)
