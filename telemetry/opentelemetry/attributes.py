"""What log records and spans carry that OpenTelemetry has no names for: who called whom, and whose fault it was."""

from collections.abc import Collection

import polars as pl

from telemetry.opentelemetry.conventions import ATTRIBUTES
from telemetry.opentelemetry.keyvalues import KeyValues

__all__ = ["MESH", "Attributes"]

MESH = (
    "context.reporter.kind",
    "source.workload.name",
    "source.workload.namespace",
    "source.principal",
    "destination.workload.name",
    "destination.workload.namespace",
    "destination.principal",
    "destination.service.host",
    "connection.mtls",
    "connection.event",
    "request.operation",
    "response.outcome",
    "response.blame",
    "response.duration",
)
"""Names of our vocabulary (docs/attributes.md), sent under those names; durations in seconds."""

_ROW = "telemetry.row"


class Attributes:
    """Encodes a record's attributes: the conventions', the chosen ones of our vocabulary, and the row's number."""

    def __init__(self, field: int, chosen: Collection[str] = MESH) -> None:
        self._keyvalues = KeyValues(field)
        self._expressions = {**{name: pl.col(name) for name in chosen}, **ATTRIBUTES}

    def columns(self, rows: pl.DataFrame, numbers: pl.Series) -> list[list[bytes]]:
        """Give the columns of pieces; `numbers` are the rows' in their batch."""
        frame = rows.select(**self._expressions).with_columns(numbers.alias(_ROW))
        return self._keyvalues.columns(frame)
