"""One who watches: a bounded buffer of batches, and what is shown of them as lines of JSON."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import numpy as np
import orjson
import polars as pl

from telemetry.batch import Batch
from telemetry.json_lines import JsonLines
from telemetry.rules.allowance import Allowance
from telemetry.rules.rules import match_of
from telemetry.tapping.view import View

__all__ = ["Counts", "Tap"]

Done = TypeVar("Done")

_BUFFER_ROWS = 16_384
# Encoded at once: what a client that reads nothing makes us hold.
_PIECE_ROWS = 256
_HEARTBEAT_S = 1.0


@dataclass(slots=True)
class Counts:
    """What became of the rows so far: `seen` = dropped + not matched + `matched`, `matched` = shown + `sampled_out`.

    `dropped`: rows that came faster than they could be looked at; whether they match nobody knows.
    """

    seen: int = 0
    matched: int = 0
    shown: int = 0
    sampled_out: int = 0
    dropped: int = 0


class Tap:
    """Takes batches without ever waiting, and gives lines to one reader at the reader's pace.

    A batch that finds the buffer full is dropped, and counted. `work` is where rows are chosen and encoded.
    """

    def __init__(
        self,
        view: View,
        work: Executor,
        *,
        buffer_rows: int = _BUFFER_ROWS,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.view = view
        self.counts = Counts()
        self._work = work
        self._buffer_rows = buffer_rows
        self._waiting: deque[Batch] = deque()
        self._waiting_rows = 0
        self._arrived = asyncio.Event()
        self._end = ""
        self._allowance = Allowance(view.rows_per_s, max(1, round(view.rows_per_s)), clock_ns)
        self._lines = JsonLines()

    def offer(self, batch: Batch) -> None:
        """Take a batch, or drop it. In the event loop's thread."""
        if batch.template is not self.view.template or self._end:
            return
        rows = len(batch.rows)
        self.counts.seen += rows
        # A batch that is larger than the buffer has it to itself.
        if self._waiting and self._waiting_rows + rows > self._buffer_rows:
            self.counts.dropped += rows
            return
        self._waiting.append(batch)
        self._waiting_rows += rows
        self._arrived.set()

    def end(self, why: str) -> None:
        """Let the lines end, saying why."""
        self._end = self._end or why
        self._arrived.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """Give some lines at a time, each with its newline.

        A row is an object with `template`, `receiver`, `epoch`, `sequence`, `row` and its columns. Each second, and at
        the end, comes an object with the only key `tap`: the counts, at the end with `end`.
        """
        yield self._status()
        told_s = time.monotonic()
        while not self._end:
            if (batch := await self._next()) is not None:
                chosen = await self._do(self._chosen, batch)
                for start in range(0, len(chosen.rows), _PIECE_ROWS):
                    piece = chosen.slice(start, _PIECE_ROWS)
                    yield await self._do(self._encoded, piece)
                    self.counts.shown += len(piece.rows)
                if self.counts.shown == self.view.limit:
                    self.end("limit")
            if time.monotonic() - told_s >= _HEARTBEAT_S:
                yield self._status()
                told_s = time.monotonic()
        yield self._status()

    async def _next(self) -> Batch | None:
        """Wait for a batch, at most until the next heartbeat."""
        if not self._waiting:
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _HEARTBEAT_S)
        if not self._waiting or self._end:
            return None
        batch = self._waiting.popleft()
        self._waiting_rows -= len(batch.rows)
        return batch

    async def _do(self, work: Callable[[Batch], Done], batch: Batch) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._work, work, batch)

    def _chosen(self, batch: Batch) -> Batch:
        """Give the rows to show: of those that match as many as may be shown now."""
        positions = np.flatnonzero(match_of(batch, self.view.match))
        granted = self._allowance.take(len(positions))
        self.counts.matched += len(positions)
        self.counts.sampled_out += len(positions) - granted
        if self.view.limit is not None and granted > (left := self.view.limit - self.counts.shown):
            positions, granted = positions[:left], left
            # What lies behind the limit was never asked for.
            self.counts.matched = self.counts.shown + self.counts.sampled_out + left
        # Spread evenly, so that no sender's rows are always those left out.
        spread = positions[np.arange(granted) * len(positions) // max(1, granted)]
        columns = list(self.view.columns) or batch.rows.columns
        return replace(batch, rows=batch.rows.select(columns)).take(pl.Series(spread, dtype=pl.UInt32))

    def _encoded(self, batch: Batch) -> bytes:
        return b"".join(self._lines.lines(batch))

    def _status(self) -> bytes:
        end = {"end": self._end} if self._end else {}
        return orjson.dumps({"tap": {**asdict(self.counts), **end}}) + b"\n"
