"""A table of golden signals that refreshes in place."""

import asyncio
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import httpx
import orjson
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from telemetry.cli.golden import KEYS, Row, rows_by, sorted_rows
from telemetry.cli.mesh_tables import milliseconds, per_second, percent
from telemetry.demo.rates import PageRates
from telemetry.demo.samples import query_page
from telemetry.demo.signals import QUANTILES
from telemetry.printable import printable

__all__ = ["Top"]

_TIMEOUT_S = 30.0
_LETTERS = {"r": "rate", "e": "errors", "5": "p50", "9": "p99", "b": "bytes", "n": "name"}
_NOTHING = "nothing yet: no traffic since the last look, or no handler with adapter prometheus"
_NO_OPERATIONS = (
    "no series has the label request_operation; add it: standard_metrics: {overrides: [{match: {metric: "
    "REQUEST_COUNT}, tagOverrides: {request_operation: {value: request.operation}}}]}"
)


class Top:
    """Looks at the page of a service again and again."""

    def __init__(self, url: str, by: str, sort: str, interval_s: float, *, as_json: bool) -> None:
        self._url = url
        self._by = str(by)
        self._sort = str(sort)
        self._interval_s = interval_s
        self._json = as_json
        self._rows: list[Row] = []
        self._done = asyncio.Event()

    async def run(self, *, once: bool) -> None:
        """Show until told to end, or `once`. Raises httpx.HTTPError when the page can't be read."""
        console = Console()
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
            page = partial(query_page, client, self._url.rstrip("/") + "/metrics", "istio_")
            rates = PageRates(page, time.monotonic, self._interval_s)
            await rates.read()
            if once or self._json:
                await self._print(console, rates, once=once)
            else:
                await self._live(console, rates)

    async def _print(self, console: Console, rates: PageRates, *, once: bool) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            self._rows = rows_by(KEYS[self._by], await rates.read())
            if self._json:
                sys.stdout.write(orjson.dumps(self._as_json()).decode() + "\n")
                sys.stdout.flush()
            else:
                console.print(self._table(self._most()))
            if once:
                return

    async def _live(self, console: Console, rates: PageRates) -> None:
        with Live(console=console, auto_refresh=False, transient=False) as live, _keys(partial(self._key, live)):
            while not self._done.is_set():
                live.update(self._table(self._most(console)), refresh=True)
                try:
                    await asyncio.wait_for(self._done.wait(), self._interval_s)
                except TimeoutError:
                    self._rows = rows_by(KEYS[self._by], await rates.read())

    def _key(self, live: Live, letter: str) -> None:
        if letter in ("q", "\x03", "\x04"):
            self._done.set()
        self._sort = _LETTERS.get(letter, self._sort)
        live.update(self._table(self._most(live.console)), refresh=True)

    @staticmethod
    def _most(console: Console | None = None) -> int | None:
        """Give how many lines there is room for; None: all."""
        return max(1, console.height - 6) if console is not None and console.is_terminal else None

    def _table(self, most: int | None) -> Table:
        rows = sorted_rows(self._rows, self._sort)
        left = f"{len(rows) - most} more; " if most is not None and len(rows) > most else ""
        hint = _NO_OPERATIONS if self._by == "operation" else _NOTHING
        caption = f"{left}by {self._sort}, every {self._interval_s:g} s" if rows else hint
        table = Table(box=box.SIMPLE_HEAD, caption=Text(caption), caption_justify="left")
        table.add_column(self._by, overflow="fold")
        for heading in ("told by", "rate", "errors", *(f"p{quantile * 100:g}" for quantile in QUANTILES), "TCP B/s"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows[:most]:
            table.add_row(*map(Text, _cells(row)))
        return table

    def _as_json(self) -> dict[str, object]:
        rows = [
            {
                self._by: row.name,
                "reporter": row.reporter,
                "requests_per_s": row.requests_per_s,
                "error_ratio": _known(row.error_ratio),
                **{f"p{quantile * 100:g}_ms": _known(value)
                   for quantile, value in zip(QUANTILES, row.latency_ms, strict=True)},
                "tcp_bytes_per_s": row.bytes_per_s,
            }
            for row in sorted_rows(self._rows, self._sort)
        ]  # fmt: skip
        return {"by": self._by, "sort": self._sort, "interval_s": self._interval_s, "rows": rows}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cells(row: Row) -> Sequence[str]:
    latencies = (milliseconds(_known(value)) for value in row.latency_ms)
    volume = f"{row.bytes_per_s:,.0f}" if row.bytes_per_s else "-"
    return printable(row.name), row.reporter, per_second(row.requests_per_s), percent(_known(row.error_ratio)), \
        *latencies, volume  # fmt: skip


@contextmanager
def _keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Give each key that is pressed meanwhile, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415 - as the next: not on every system
    import tty  # noqa: PLC0415

    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, lambda: deque(map(pressed, os.read(keyboard, 64).decode(errors="ignore")), maxlen=0))
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
