"""Halves become HOP rows: two joined, or one alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.answers import ANSWER, Answers
from telemetry.processors.hops.constant import same
from telemetry.processors.hops.halves import IDS
from telemetry.processors.hops.identities import Identities
from telemetry.processors.hops.parts import SHARES, parts_of_both, parts_of_server

__all__ = ["OMITTED", "Alone", "Pairs", "joined"]

_SCHEMA = SCHEMAS[Template.HOP]
Ints = npt.NDArray[np.int64]

# What the server says besides, or better.
_SERVER = {
    "response.code": "hop.server.code",
    "response.grpc_status": "hop.server.grpc_status",
    "response.flags": "hop.server.flags",
    "response.outcome": "hop.server.outcome",
    "response.blame": "hop.server.blame",
}
_DURATION = {"response.duration": "hop.server.duration"}
_KNOWN_BETTER = ("request.operation", *IDS)
OMITTED = frozenset({*_KNOWN_BETTER, "context.proxy_error_code", *_SERVER.values(), *_DURATION.values()})
"""The columns of HOP that no edge and no time is made of."""

_THEIRS = ["context.time", "response.duration", *SHARES, "slot", "answer"]


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


@dataclass(frozen=True, slots=True)
class _Joining:
    """`halves` become rows. `whole`: with OMITTED."""

    halves: pl.DataFrame
    answers: Answers
    whole: bool

    def of_pairs(self, pairs: Pairs) -> pl.DataFrame:
        ours, theirs = self._ours(pairs.client), self._taken(_THEIRS, pairs.server)
        parts = parts_of_both(_times(ours), _times(theirs))
        described = _described("both", len(ours), matched_by=pairs.matched_by)
        seen = pl.Series("hop.attempts_seen", pairs.attempts.astype(np.uint32))
        better = [_later(ours["context.time"], theirs["context.time"])]
        better += self._better(ours, pairs.server) if self.whole else ()
        slots = [ours["slot"].alias("client.slot"), theirs["slot"].alias("server.slot")]
        return _shown(ours, [*slots, *better, *self._of_server(theirs), *parts, *described, seen])

    def of_clients(self, alone: Alone) -> pl.DataFrame:
        ours = self._ours(alone.rows)
        described = [*_described("source", len(ours)), _all("hop.attempts_seen", 0, len(ours))]
        slots = [ours["slot"].alias("client.slot"), _all_slots("server.slot", len(ours))]
        missing = pl.Series("missing_destination", alone.missing)
        return _shown(ours, [*slots, *described, missing])

    def of_servers(self, alone: Alone) -> pl.DataFrame:
        theirs = self._ours(alone.rows)
        described = [*_described("destination", len(theirs)), _all("hop.attempts_seen", 1, len(theirs))]
        slots = [theirs["slot"].alias("server.slot"), _all_slots("client.slot", len(theirs))]
        parts = parts_of_server(_times(theirs))
        missing = pl.Series("missing_source", alone.missing)
        return _shown(theirs, [*slots, *self._of_server(theirs), *parts, *described, missing])

    def _taken(self, names: list[str], rows: Ints) -> pl.DataFrame:
        return self.halves[names][pl.Series(rows.astype(np.uint32))]

    def _ours(self, rows: Ints) -> pl.DataFrame:
        """Give what a row shows, and what it is made of, of these halves."""
        ours = self._taken([name for name in self.halves.columns if name not in _FOR_MATCHING], rows)
        answer = [name for name in ANSWER if self.whole or name not in OMITTED]
        return ours.hstack(self.answers.shown(ours["answer"], answer))

    def _better(self, ours: pl.DataFrame, servers: Ints) -> Iterator[pl.Series]:
        wanting = [name for name in _KNOWN_BETTER if ours[name].null_count()]
        theirs = self._taken(["answer", *(name for name in wanting if name in IDS)], servers)
        for name in wanting:
            told = theirs if name in IDS else self.answers.shown(theirs["answer"], [name])
            yield _first(ours[name], told[name])

    def _of_server(self, theirs: pl.DataFrame) -> list[pl.Series]:
        if not self.whole:
            return []
        shown = self.answers.shown(theirs["answer"], _SERVER).rename(_SERVER)
        return [*shown.get_columns(), *(theirs[old].alias(new) for old, new in _DURATION.items())]


_NOT_SHOWN = ["slot", "answer", *SHARES]
_FOR_MATCHING = frozenset({"client", "answered", "key", "id", "host", "from", "to"})


def joined(
    halves: pl.DataFrame, pairs: list[Pairs], alone: Alone, identities: Identities, answers: Answers
) -> pl.DataFrame:
    """Give the HOP rows; OMITTED only where the halves have IDS."""
    joining = _Joining(halves, answers, whole=not set(IDS).isdisjoint(halves.columns))
    frames = [joining.of_pairs(some) for some in pairs if len(some.client)]
    if len(alone.rows):
        client = halves["client"].to_numpy()[alone.rows]
        frames += [joining.of_clients(_only(alone, client)), joining.of_servers(_only(alone, ~client))]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pl.DataFrame(schema=dict(_SCHEMA))
    rows = pl.concat(frames, how="diagonal", rechunk=True) if len(frames) > 1 else frames[0]
    key, identity = identities.of_pairs(rows["client.slot"], rows["server.slot"])
    known = {"context.key", *rows.columns, *identity.columns}
    absent = [_all(name, None, len(rows)) for name in _SCHEMA if name not in known]
    return rows.hstack([key.alias("context.key"), *identity[key].get_columns(), *absent])[list(_SCHEMA)]


def _shown(halves: pl.DataFrame, made: Iterable[pl.Series]) -> pl.DataFrame:
    """Give halves with what was made of them; of columns with one name the last."""
    columns = {column.name: column for column in (*halves, *made)}
    return pl.DataFrame([column for name, column in columns.items() if name not in _NOT_SHOWN])


def _only(alone: Alone, chosen: npt.NDArray[np.bool_]) -> Alone:
    return Alone(alone.rows[chosen], alone.missing[chosen])


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
    return same(value, _SCHEMA[name], count).alias(name)


def _all_slots(name: str, count: int) -> pl.Series:
    return same(None, pl.UInt32, count).alias(name)
