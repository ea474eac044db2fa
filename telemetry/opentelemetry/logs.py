"""LOGENTRY rows as OTLP's log records.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/logs/v1/logs.proto
"""

from collections.abc import Collection

import polars as pl

from telemetry.batch import Batch
from telemetry.opentelemetry.attributes import MESH, Attributes
from telemetry.opentelemetry.ids import ids
from telemetry.opentelemetry.requests import Identity, Resources, request
from telemetry.wire import Heads, delimited, fixed64, messages, texts, varint_field

__all__ = ["Logs"]

_TIME, _SEVERITY, _SEVERITY_TEXT, _BODY, _ATTRIBUTES, _TRACE_ID, _SPAN_ID, _OBSERVED, _EVENT = (
    1,
    2,
    3,
    5,
    6,
    9,
    10,
    11,
    12,
)
_RECORD = 2
_LONGEST_BODY = 1024


def _severity(number: int, text: str) -> bytes:
    return varint_field(_SEVERITY, number) + delimited(_SEVERITY_TEXT, text.encode())


# https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_SEVERITIES = {"client_error": _severity(13, "WARN"), "server_error": _severity(17, "ERROR")}
_INFO = _severity(9, "INFO")

_STATUS = pl.coalesce(pl.col("response.code").cast(pl.String), pl.lit("-"))
_FLAGS = pl.when(pl.col("context.proxy_error_code") != "-").then("context.proxy_error_code")
_LINE = pl.concat_str(
    pl.coalesce("request.method", "context.protocol"),
    pl.coalesce("request.path", "connection.event", "upstream.cluster"),
    _STATUS,
    _FLAGS,
    separator=" ",
    ignore_nulls=True,
).str.slice(0, _LONGEST_BODY)
_EVENT_NAME = "envoy.access_log"


class Logs:
    """Encodes LOGENTRY batches as ExportLogsServiceRequests. Not for several threads at once.

    Time is the request's, observed time when we received the entry. Severity follows the outcome: ERROR for
    server_error, WARN for client_error, else INFO. The body is one line, `GET /path 503 UF`, at most 1,024 characters;
    everything else is an attribute.
    """

    def __init__(self, resources: Resources, attributes: Collection[str] = MESH) -> None:
        self._resources = resources
        self._attributes = Attributes(_ATTRIBUTES, attributes)
        self._text, self._body, self._record = Heads(1), Heads(_BODY), Heads(_RECORD)
        self._event = delimited(_EVENT, _EVENT_NAME.encode())

    def encode(self, batch: Batch) -> bytes:
        """Give the request. Columns read: those of the conventions, and the attributes chosen."""
        rows = batch.rows
        shown = rows.select(
            observed=pl.col("context.time").to_physical().fill_null(0),
            time=pl.coalesce("request.time", "context.time").to_physical().fill_null(0),
            line=_LINE,
            ids=ids((_TRACE_ID, "trace.id", 32), (_SPAN_ID, "trace.span_id", 16)),
        )
        bodies = texts(self._text, shown["line"])
        parts = [
            fixed64((_TIME, shown["time"].to_numpy()), (_OBSERVED, shown["observed"].to_numpy())),
            [_SEVERITIES.get(outcome, _INFO) for outcome in rows["response.outcome"].to_list()],
            [self._body[len(body)] + body for body in bodies],
            shown["ids"].to_list(),
            [self._event] * len(rows),
            *self._attributes.columns(rows, batch.row_numbers),
        ]
        identity = Identity(batch.receiver, batch.epoch, batch.sequence)
        return request(self._resources.pieces(rows), messages(self._record, parts), identity.attributes())
