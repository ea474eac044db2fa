"""Live rows over HTTP, on a terminal or as lines of JSON."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.errors import TelemetryError
from telemetry.printable import printable

__all__ = ["Query", "Refused", "Shown", "rows_from"]

_TIMEOUT = httpx.Timeout(10.0, read=15.0)  # the service says something each second
_ENDS = ("source.workload.name", "destination.workload.name")
_DEFAULT: Mapping[str, tuple[str, ...]] = {
    "logentry": (
        "context.time", *_ENDS, "request.method", "request.url_path", "response.code", "context.proxy_error_code",
        "response.duration",
    ),
    "metric": ("time", "metric", "value", "labels"),
    "tracespan": ("span.start", *_ENDS, "span.name", "span.kind", "span.status", "span.trace_id"),
    "edge": ("time", *_ENDS, "context.protocol", "requests", "client_errors", "server_errors"),
    "hop": ("context.time", *_ENDS, "request.operation", "response.code", "response.duration", "hop.network"),
}  # fmt: skip
_NARROW = frozenset({"request.method", "response.code", "context.proxy_error_code", "response.duration", "value"})
_WIDE = frozenset({"labels", "request.url_path", "request.path", "request.headers", "response.headers"})


class Refused(TelemetryError):  # noqa: N818 - it is we who are refused
    """No rows will come; the message says why, `code` is the command's exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask of the service."""

    url: str
    template: str
    match: str
    columns: Sequence[str]
    limit: int | None
    max_rows_per_s: float

    def parameters(self) -> Mapping[str, Any]:
        """Give the route's parameters."""
        given = {
            "template": str(self.template),
            "match": self.match,
            "columns": list(self.columns),
            "limit": self.limit,
            "max_rows_per_s": self.max_rows_per_s,
        }
        return {name: value for name, value in given.items() if value not in (None, "", [])}


class Shown:
    """Prints rows, and says on standard error what was left out. `asked`: the columns to ask for."""

    def __init__(self, template: str, columns: Sequence[str], *, as_json: bool) -> None:
        self.asked = list(columns) if columns or as_json else list(_DEFAULT[template])
        self._console = None if as_json else Console()
        self._counts: Mapping[str, int] = {}
        self._rows = 0
        if self._console is not None:
            self._print([Text(name, style="bold") for name in self.asked])

    def row(self, line: str) -> None:
        """Print a row."""
        self._rows += 1  # before: who sees the row and sends a signal finds it counted
        if self._console is None:
            sys.stdout.write(printable(line) + "\n")
            sys.stdout.flush()
        else:
            row = orjson.loads(line)
            self._print([Text(printable(_cell(name, row.get(name)))) for name in self.asked])

    def count(self, counts: Mapping[str, int]) -> None:
        """Take note of what was seen so far; say it once when the first rows are dropped."""
        if counts.get("dropped") and not self._counts.get("dropped"):
            sys.stderr.write("telemetry tap: rows come faster than they can be looked at; some are dropped\n")
        self._counts = counts

    def sum_up(self) -> None:
        """Say what became of all rows."""
        # The service's counts come each second; what was printed since was seen, and it matched.
        least = {name: max(self._counts.get(name, 0), self._rows) for name in ("seen", "matched", "shown")}
        counts = {**self._counts, **least}
        words = (("seen", "seen"), ("matched", "matched"), ("shown", "shown"), ("sampled_out", "sampled out"))
        said = [f"{counts.get(name, 0)} {word}" for name, word in (*words, ("dropped", "dropped"))]
        sys.stderr.write(f"telemetry tap: rows: {', '.join(said)}\n")

    def _print(self, cells: Sequence[Text]) -> None:
        table = Table(box=None, show_header=False, expand=True, pad_edge=False)
        for name in self.asked:
            table.add_column(ratio=1 if name in _NARROW else 5 if name in _WIDE else 2, no_wrap=True, min_width=4)
        table.add_row(*cells)
        if self._console is not None:
            self._console.print(table)


def rows_from(query: Query, shown: Shown) -> str:
    """Show rows until the service ends it; gives its reason, nothing if it gave none. Raises Refused."""
    address = query.url.rstrip("/") + "/api/v1/tap"
    try:
        with httpx.stream("GET", address, params=query.parameters(), timeout=_TIMEOUT, trust_env=False) as response:
            if response.status_code != httpx.codes.OK:
                raise _refusal(response.read(), response.status_code)
            return _read(response.iter_lines(), shown)
    except httpx.ConnectError as error:
        hint = "is `telemetry serve` running there? See --url"
        raise Refused(f"{query.url} can't be asked ({error}); {hint}") from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Refused(f"{query.url} is no address ({error}); see --url", 2) from None
    except httpx.HTTPError:
        return ""


def _read(lines: Iterator[str], shown: Shown) -> str:
    for line in lines:
        if line.startswith('{"tap":'):
            counts = orjson.loads(line)["tap"]
            shown.count(counts)
            if "end" in counts:
                return str(counts["end"])
        elif line:
            shown.row(line)
    return ""


def _refusal(body: bytes, status: int) -> Refused:
    try:
        return Refused(str(orjson.loads(body)["detail"]), 2 if status == httpx.codes.UNPROCESSABLE_ENTITY else 1)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Refused(f"the service answered {status}; is it another program's address, or an older version?")


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name.rpartition(".")[2] in ("time", "start", "end"):
        return str(value)[11:23]
    if name == "labels" and isinstance(value, dict):
        return ", ".join(f"{key}={text}" for key, text in value.items() if text not in ("unknown", ""))
    if isinstance(value, list) and all(isinstance(one, dict) and one.keys() == {"key", "value"} for one in value):
        return ", ".join(f"{one['key']}={one['value']}" for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
