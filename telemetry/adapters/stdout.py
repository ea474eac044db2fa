"""Writes rows to standard output: tables for people, lines of JSON or of text for programs."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator
from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.access_log_text import DEFAULT_FORMAT, line_expression
from telemetry.batch import Batch, Template
from telemetry.errors import Retry
from telemetry.json_lines import JsonLines
from telemetry.printable import printable
from telemetry.stream_writer import StreamWriter

__all__ = ["Stdout"]

_STDOUT = 1


class Stdout(AbstractAsyncContextManager["Stdout"]):
    """Accepts everything. `fd`: the file descriptor to write to, never closed here.

    A batch that comes again after its deadline goes on where it was, so lines are whole and not doubled; lines of JSON
    carry each row's identity for whoever reads two runs.
    """

    class Config(BaseModel):
        """What can be set."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        format: Literal["auto", "table", "json", "text"] = Field(
            "auto",
            description="table: for people; json: a line of JSON a row; text: lines as Envoy's file log has them, for "
            "entries (other rows as JSON). auto: table on a terminal, else json.",
        )
        text_format: str = Field(
            DEFAULT_FORMAT,
            description="For format text: Envoy's command operators, such as %START_TIME% and %REQ(:METHOD)%, as far "
            "as attributes carry them. The default is Envoy's own.",
        )
        table_rows: int = Field(
            100, ge=1, le=100_000, description="For format table: of a larger batch the rest is only counted."
        )

        @field_validator("text_format")
        @classmethod
        def _compiles(cls, text: str) -> str:
            line_expression(text)
            return text

    accepts: ClassVar[frozenset[Template]] = frozenset(Template)

    def __init__(self, config: Config, *, fd: int = _STDOUT) -> None:
        self._config = config
        self._json = JsonLines()
        self._line = line_expression(config.text_format)
        self._writer = StreamWriter(fd)
        terminal = os.isatty(fd)
        self._format = ("table" if terminal else "json") if config.format == "auto" else config.format
        self._colour = terminal and "NO_COLOR" not in os.environ

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop writing; what hangs is left behind."""
        self._writer.close()

    async def export(self, batch: Batch) -> None:
        """Write the rows. Raises Retry when the stream takes no more: nobody reads it, or its disk is full."""
        if batch.rows.is_empty():
            return
        identity = (batch.template, batch.receiver, batch.epoch, batch.sequence, batch.row_numbers.to_numpy().tobytes())
        try:
            await self._writer.write(identity, lambda: self._encoded(batch))
        except BrokenPipeError:
            raise Retry("stdout: nobody reads it any more; start its reader again, or this service") from None
        except OSError as error:
            raise Retry(f"stdout can't be written: {error.strerror}") from error

    def _encoded(self, batch: Batch) -> Iterator[bytes]:
        if self._format == "table":
            return iter([_table(batch, self._config.table_rows, colour=self._colour)])
        if self._format == "text" and batch.template is Template.LOGENTRY:
            return iter([_text(batch.rows, self._line)])
        return self._json.lines(batch)


def _text(rows: pl.DataFrame, line: pl.Expr) -> bytes:
    lines = rows.select(line).to_series()
    # Envoy writes newlines as they are: one request could forge another's line.
    if lines.str.contains(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]").any():
        lines = pl.Series([printable(one).replace("\t", "\\t") for one in lines.to_list()])
    return ("\n".join(lines.to_list()) + "\n").encode()


_END = "workload.name"
_SHOWN = {
    Template.LOGENTRY: {
        "time": "request.time",
        "source": f"source.{_END}",
        "destination": f"destination.{_END}",
        "method": "request.method",
        "path": "request.path",
        "code": "response.code",
        "flags": "context.proxy_error_code",
        "duration": "response.duration",
        "bytes": "response.size",
    },
    Template.METRIC: {"metric": "metric", "kind": "kind", "value": "value", "count": "count", "labels": "labels"},
    Template.TRACESPAN: {
        "start": "span.start",
        "trace": "span.trace_id",
        "span": "span.name",
        "kind": "span.kind",
        "source": f"source.{_END}",
        "destination": f"destination.{_END}",
        "status": "span.status",
    },
    Template.EDGE: {
        "time": "time",
        "source": f"source.{_END}",
        "destination": f"destination.{_END}",
        "protocol": "context.protocol",
        "requests": "requests",
        "client errors": "client_errors",
        "server errors": "server_errors",
    },
    Template.HOP: {
        "time": "request.time",
        "source": f"source.{_END}",
        "destination": f"destination.{_END}",
        "operation": "request.operation",
        "code": "response.code",
        "duration": "response.duration",
        "network": "hop.network",
        "application": "hop.application",
    },
}


def _table(batch: Batch, most: int, *, colour: bool) -> bytes:
    """Draw the columns that matter; every cell is text, whatever it holds."""
    shown = _SHOWN[batch.template]
    table = Table(*shown, title=f"{batch.template.value}: {len(batch.rows)} rows", title_justify="left", box=None)
    rows = batch.rows.head(most).select(*shown.values())
    for row in rows.iter_rows():
        table.add_row(*(Text(_cell(value), overflow="ellipsis", no_wrap=True) for value in row))
    if len(batch.rows) > most:
        table.caption = f"and {len(batch.rows) - most} more (table_rows: {most})"
    width = shutil.get_terminal_size((160, 24)).columns
    console = Console(file=io.StringIO(), width=width, force_terminal=colour, no_color=not colour)
    with console.capture() as capture:
        console.print(table)
    return capture.get().encode()


def _cell(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}={text}" for name, text in value.items() if text)
    return "" if value is None else printable(str(value))
