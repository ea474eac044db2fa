"""What has changed in the mesh, as log entries: edges that came and went, mTLS lost, new identities and versions."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.processors.edge_memory import EdgeMemory, Remembered, new_principals, versions_of
from telemetry.processors.edge_slots import EDGE_IDENTITY, OTHER

__all__ = ["EdgeEvents", "Event"]

_SCHEMA = SCHEMAS[Template.LOGENTRY]
_CHECK_NS = 60_000_000_000
_MAX_EVENTS = 1000
# A flush at the end of all time: by then nothing has vanished, we have.
_NEVER_NS = 2**62

_Row = Mapping[str, Any]


class Event(StrEnum):
    """The names of events: values of event.name."""

    EDGE_APPEARED = "edge_appeared"
    EDGE_VANISHED = "edge_vanished"
    EDGE_RETURNED = "edge_returned"
    MTLS_LOST = "mtls_lost"
    PRINCIPAL_APPEARED = "principal_appeared"
    VERSION_APPEARED = "version_appeared"
    FIRST_ERROR = "first_error"


class EdgeEvents:
    """Adds LOGENTRY batches to the EDGE batches that pass: a row for each event, with both ends and event.message.

    Such rows count no request (request.counts is false). The memory, which begins with the first batch, lives longer
    than this, so that neither a restart nor a changed configuration is news; in the first `warm_up_s` of its life
    everything is new, and nothing is told. An edge without traffic for `vanish_after_s` has vanished. `dropped`: events
    beyond 1000 in one interval.
    """

    reads: Collection[str] = frozenset()

    def __init__(self, memory: EdgeMemory, *, warm_up_s: float = 600.0, vanish_after_s: float = 3600.0) -> None:
        self._memory = memory
        self._warm_up_ns = int(warm_up_s * 1e9)
        self._vanish_ns = int(vanish_after_s * 1e9)
        self._checked_ns = 0
        self.dropped = 0

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch, and what is new in it."""
        yield batch
        if batch.template is not Template.EDGE or batch.rows.is_empty():
            return
        self._memory.begin()
        self._memory.model = replace(batch, template=Template.LOGENTRY, rows=pl.DataFrame(), kept=None)
        rows = batch.rows.select(_READS).with_columns(last_ns=pl.col("last_seen").dt.epoch("ns"))
        named = rows.filter(_TRAFFIC & pl.col("source.workload.name").ne_missing(OTHER)).iter_rows(named=True)
        found = [event for row in named for event in self._events(row)]
        if rows["last_ns"].max() >= self._memory.created_ns + self._warm_up_ns:  # type: ignore[operator] # no row is without
            yield from self._batches(found)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give the edges that have vanished; looks once a minute."""
        if now_ns >= _NEVER_NS:
            return
        watched_ns = self._memory.watched_ns(now_ns)
        if watched_ns < self._vanish_ns or now_ns - self._checked_ns < _CHECK_NS:
            return
        self._checked_ns = now_ns
        found: list[tuple[Event, str, _Row]] = []
        for row, known in self._memory.silent_since(now_ns - self._vanish_ns):
            known.vanished = True
            found.append((Event.EDGE_VANISHED, f"no traffic since {_time(known.last_ns)}", {**row, "last_ns": now_ns}))
        yield from self._batches(found)

    def _events(self, row: _Row) -> Iterator[tuple[Event, str, _Row]]:
        identity = tuple(row[name] for name in EDGE_IDENTITY)
        known = self._memory.get(identity)
        if known is None:
            known = Remembered(row["last_ns"])
            self._memory.add(identity, known)
            if not self._memory.forgotten:
                yield Event.EDGE_APPEARED, "traffic where there was none before", row
            # Its principals are as new as itself: one event is enough.
            new_principals(known.principals, row)
        elif known.vanished:
            known.vanished = False
            yield Event.EDGE_RETURNED, f"traffic again; the last was at {_time(known.last_ns)}", row
        for side, principal in new_principals(known.principals, row):
            yield Event.PRINCIPAL_APPEARED, f"new {side} identity {principal}", _with_principal(row, side, principal)
        for _, service, version in filter(self._memory.is_new_version, versions_of(row)):
            yield Event.VERSION_APPEARED, f"{service} has version {version}", row
        yield from self._changes(known, row)

    def _changes(self, known: Remembered, row: _Row) -> Iterator[tuple[Event, str, _Row]]:
        known.last_ns = max(known.last_ns, row["last_ns"])
        if row["plain"] or row["mtls"]:
            if known.secure and row["plain"]:
                yield Event.MTLS_LOST, f"{row['plain']} of {row['plain'] + row['mtls']} without mutual TLS", row
            known.secure = not row["plain"]
        errors = row["client_errors"] + row["server_errors"] + row["unanswered"]
        if errors and not known.failed:
            known.failed = True
            yield Event.FIRST_ERROR, f"{errors} of {row['requests'] + row['connections_closed']} failed", row

    def _batches(self, found: list[tuple[Event, str, _Row]]) -> Iterator[Batch]:
        self.dropped += max(0, len(found) - _MAX_EVENTS)
        if found and self._memory.model is not None:
            rows = [_entry(key, *event) for key, event in enumerate(found[:_MAX_EVENTS])]
            frame = pl.DataFrame(rows, schema={name: _SCHEMA[name] for name in rows[0]})
            absent = [pl.lit(None, dtype).alias(name) for name, dtype in _SCHEMA.items() if name not in rows[0]]
            yield replace(self._memory.model, rows=frame.with_columns(absent).select(list(_SCHEMA)))


_READS = (
    *EDGE_IDENTITY, "last_seen", "requests", "connections_closed", "client_errors", "server_errors", "unanswered",
    "mtls", "plain", "source.principals", "destination.principals", "request_bytes", "response_bytes",
)  # fmt: skip
# An edge may be there only because one end's metrics took somebody for another: nothing went over it.
_TRAFFIC = pl.any_horizontal(pl.col("requests", "connections_closed", "request_bytes", "response_bytes") > 0)
_ENDS = tuple(name for name in EDGE_IDENTITY if name != "context.protocol")


def _entry(key: int, event: Event, detail: str, row: _Row) -> dict[str, Any]:
    what = event.value.replace("_", " ")
    return {
        "context.key": key,
        "context.time": row["last_ns"],
        "context.protocol": row["context.protocol"],
        **{name: row[name] for name in _ENDS},
        "source.principal": row.get("source.principal"),
        "destination.principal": row.get("destination.principal"),
        "request.counts": False,
        "request.time": row["last_ns"],
        "event.name": event.value,
        "event.message": f"{what}: {_name(row, 'source')} to {_name(row, 'destination')}: {detail}",
    }


def _with_principal(row: _Row, side: str, principal: str) -> _Row:
    return {**row, f"{side}.principal": principal}


def _name(row: _Row, side: str) -> str:
    service = row["destination.service.name"] if side == "destination" else None
    name = row[f"{side}.workload.name"] or service or "unknown"
    namespace = row[f"{side}.workload.namespace"]
    return f"{namespace}/{name}" if namespace else name


def _time(time_ns: int) -> str:
    return str(pl.Series([time_ns]).cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")[0])
