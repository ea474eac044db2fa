"""The store: takes EDGE batches, each once, and answers questions about them."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import polars as pl
import structlog

from telemetry.batch import Batch
from telemetry.edges.file import Damaged, EdgeFile, Named
from telemetry.edges.index import Index, KnownEdge
from telemetry.edges.naming import Naming
from telemetry.edges.parts import bounded, encoded, parts_of
from telemetry.edges.reader import Reader
from telemetry.edges.retention import Retention, prune
from telemetry.edges.window import SPANS_S
from telemetry.errors import Retry, StartError

__all__ = ["EdgeStore", "Retention"]

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_MINUTE_NS = 60_000_000_000
# A segment in so many pieces is put together; an ended one, in any case, a minute later.
_MAX_PIECES = 12
_LATE_S = 60


class EdgeStore(AbstractAsyncContextManager["EdgeStore"]):
    """Whom EdgeHandler hands EDGE batches to, and the query API asks.

    SQLite works in one thread of its own; `path` None keeps all in memory. A batch is in the file when `export`
    returns, and is added once however often it comes. At most `max_edges` edges have names; those unused the longest
    make room, and count as {other}. A damaged file is set aside, beside the new one.
    """

    def __init__(
        self,
        path: Path | None,
        retention: Retention = Retention(),  # noqa: B008 - frozen
        *,
        max_edges: int = 100_000,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._path = path
        self._retention = retention
        self._max_edges = max_edges
        self._clock_ns = clock_ns
        self._thread = ThreadPoolExecutor(1, "edges")
        self._minute = 0
        self._file: EdgeFile = None  # type: ignore[assignment] # opened on entering
        self.counts: Counter[str] = Counter()
        """duplicate: batches that had come before; folded, forgotten: as Naming counts; expired, full: rows of segments
        deleted; damaged: files set aside."""
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._index)

    async def __aenter__(self) -> Self:
        """Open the file. Raises StartError when it can't be written."""
        await self._in_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._in_thread(self._close)
        self._thread.shutdown()

    async def export(self, batch: Batch) -> None:
        """Add the batch, unless it is in the file already. Raises Retry when the disk is full or busy."""
        await self._in_thread(lambda: self._export(batch))

    async def ask(self, question: Callable[[Reader], Answer]) -> Answer:
        """Answer a question in the store's thread."""
        return await self._in_thread(lambda: self._asked(question))

    def known(self) -> Sequence[KnownEdge]:
        """Give the edges known now, for whoever is in whichever thread: what topology events begin with."""
        return [replace(edge) for edge in list(self._index)]

    @property
    def created_ns(self) -> int:
        """When the file was begun."""
        return self._created_ns

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _asked(self, question: Callable[[Reader], Answer]) -> Answer:
        try:
            self._refresh()
            return question(self._reader)
        except Damaged as damage:
            self._set_aside(damage)
            return question(self._reader)

    def _open(self) -> None:
        try:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            self._use(self._fresh_file())
        except Damaged as damage:
            self._set_aside(damage)
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"can't keep edges in {self._path}: {error}; set edges.path to a writable file") from error

    def _close(self) -> None:
        self._file.close()

    def _fresh_file(self) -> EdgeFile:
        return EdgeFile(self._path, self._clock_ns())

    def _use(self, file: EdgeFile) -> None:
        self._file = file
        self._stale = False
        self._index = Index(self._max_edges)
        self._index.add(file.edges())
        self._names = Naming(file, self._index, self.counts)
        self._reader = Reader(file, self._index)
        self._created_ns = file.created_ns
        self.size_bytes = file.size_bytes

    def _set_aside(self, damage: Damaged) -> None:
        """Begin anew beside a damaged file."""
        if self._path is None:
            raise damage  # memory has no file to set aside
        if self._file is not None:
            self._file.close()
        aside = self._path.with_name(f"{self._path.name}.damaged-{self._clock_ns() // 1_000_000_000}")
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self.counts["damaged"] += 1
        log.error(
            "the file of edges is damaged; it was set aside and a new one begun", file=str(aside), why=str(damage)
        )
        self._use(self._fresh_file())

    def _export(self, batch: Batch) -> None:
        try:
            try:
                self._refresh()
                self._add(batch)
            except Damaged as damage:
                self._set_aside(damage)
                self._add(batch)
        except (sqlite3.Error, OSError) as error:
            # What was taken in before it failed is in memory only.
            self._stale = True
            raise Retry(f"edges: {error}; the file of edges needs room, or another process holds it") from error

    def _refresh(self) -> None:
        """Read anew what is known, where a failure has left memory and file apart."""
        if self._stale:
            self._use(self._file)

    def _add(self, batch: Batch) -> None:
        rows = batch.rows
        if rows.is_empty():
            return
        with self._file.transaction() as file:
            first_row = int(batch.row_numbers[0])
            if not file.note(_named(batch, first_row)):
                self.counts["duplicate"] += 1
                return
            ids = self._names.ids(rows)
            for start_s, same in _by_minute(rows.with_columns(ids)):
                parts = parts_of(same.drop("edge"), same["edge"])
                for part, frame in parts.items():
                    body = encoded(frame)
                    for span in SPANS_S:
                        file.add_piece((span, start_s // span * span), part, body)
            self._compact()
        self._tidy()

    def _compact(self) -> None:
        """Put segments together that have ended, or have many pieces."""
        ended_by_s = int(self._clock_ns() // 1_000_000_000) - _LATE_S
        for span, start, part in self._file.in_pieces(_MAX_PIECES, ended_by_s):
            upto, frame = self._reader.whole((span, start), part)
            kept = bounded(part, self._reader.attributed(part, frame), self._max_edges)
            self._file.replace_pieces((span, start), part, upto, encoded(kept))

    def _tidy(self) -> None:
        """Once a minute: delete what is too old or too much, forget the edges that nothing tells of any more."""
        now_ns = self._clock_ns()
        if now_ns // _MINUTE_NS == self._minute:
            return
        self._minute = now_ns // _MINUTE_NS
        self.counts.update(prune(self._file, self._retention, now_ns / 1e9))
        before_ns = now_ns - int(self._retention.hours_s * 1e9)
        if old := [edge for edge in self._index if edge.last_ns < before_ns]:
            with self._file.transaction() as file:
                file.delete_edges(old)
            self._index.forget(old)
        self.size_bytes = self._file.size_bytes


def _named(batch: Batch, first_row: int) -> Named:
    return batch.receiver, batch.epoch, batch.sequence, first_row


def _by_minute(rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    started = rows.with_columns((pl.col("start").dt.epoch("s") // 60 * 60).alias("minute"))
    return [(int(key[0]), same.drop("minute")) for key, same in started.partition_by("minute", as_dict=True).items()]
