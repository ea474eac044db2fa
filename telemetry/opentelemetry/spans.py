"""TRACESPAN rows as OTLP's spans.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto
"""

from collections.abc import Collection

import polars as pl

from telemetry.batch import Batch
from telemetry.opentelemetry.attributes import MESH, Attributes
from telemetry.opentelemetry.events import events
from telemetry.opentelemetry.ids import ids, valid_id
from telemetry.opentelemetry.requests import Identity, Resources, request
from telemetry.wire import Heads, delimited, fixed64, messages, texts, varint_field

__all__ = ["Spans", "without_ids"]

_STATE, _NAME, _KIND, _START, _END, _ATTRIBUTES, _STATUS = 3, 5, 6, 7, 8, 9, 15
_RECORD = 2
_KINDS = {
    kind: varint_field(_KIND, number)
    for number, kind in enumerate(("internal", "server", "client", "producer", "consumer"), 1)
}
_STATUSES = {"ok": 1, "error": 2}
# `flags` (16, fixed32): W3C's, of which we know `sampled`.
_SAMPLED = bytes.fromhex("850101000000")

_TRACE_ID, _SPAN_ID, _PARENT_ID = (1, "span.trace_id", 32), (2, "span.id", 16), (4, "span.parent_id", 16)
_VALID = (valid_id(*_TRACE_ID[1:]) & valid_id(*_SPAN_ID[1:])).fill_null(value=False)


def without_ids(rows: pl.DataFrame) -> list[int]:
    """Give the positions of the rows that are no spans, for want of a valid trace or span id."""
    return rows.select((~_VALID).arg_true()).to_series().to_list()


class Spans:
    """Encodes TRACESPAN batches as ExportTraceServiceRequests. Not for several threads at once."""

    def __init__(self, resources: Resources, attributes: Collection[str] = MESH) -> None:
        self._resources = resources
        self._attributes = Attributes(_ATTRIBUTES, attributes)
        self._state, self._name, self._record = Heads(_STATE), Heads(_NAME), Heads(_RECORD)

    def encode(self, batch: Batch) -> bytes:
        """Give the request. Every row must have valid ids: see `without_ids`."""
        rows = batch.rows
        times = [rows[name].to_physical().fill_null(0).to_numpy() for name in ("span.start", "span.end")]
        parts = [
            rows.select(ids(_TRACE_ID, _SPAN_ID, _PARENT_ID)).to_series().to_list(),
            texts(self._state, rows["span.trace_state"]),
            texts(self._name, rows["span.name"]),
            [_KINDS.get(kind, b"") for kind in rows["span.kind"].to_list()],
            fixed64((_START, times[0]), (_END, times[1])),
            *self._attributes.columns(rows, batch.row_numbers),
            events(rows["span.events"]),
            _statuses(rows),
            [_SAMPLED if sampled else b"" for sampled in rows["span.sampled"].to_list()],
        ]
        identity = Identity(batch.receiver, batch.epoch, batch.sequence)
        return request(self._resources.pieces(rows), messages(self._record, parts), identity.attributes())


def _statuses(rows: pl.DataFrame) -> list[bytes]:
    memo: dict[tuple[str | None, str | None], bytes] = {}
    pairs = rows.select("span.status", "span.status_message").rows()
    return [memo.get(pair) or memo.setdefault(pair, _status(*pair)) for pair in pairs]


def _status(status: str | None, message: str | None) -> bytes:
    text = delimited(2, message.encode()) if message else b""
    return delimited(_STATUS, text + varint_field(3, _STATUSES.get(status or "", 0)))
