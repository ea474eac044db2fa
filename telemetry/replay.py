"""Send to a handler what is kept already: the journal's history, or its dead letters."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from telemetry.batch import Batch
from telemetry.dead_letters import Unreadable, read
from telemetry.delivery import Condition, Consignment, Counts, Courier, Terms
from telemetry.errors import TelemetryError
from telemetry.plugin import Adapter
from telemetry.rules import Select, everything
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Replay", "Replayed"]

_REASONS = 100


@dataclass(slots=True)
class Replayed:
    """What has been done, in rows but for `batches` and `files_…`. `finished`: nothing was left unsent."""

    batches: int = 0
    rows: int = 0
    delivered: int = 0
    filtered: int = 0
    sampled_out: int = 0
    rejected: int = 0
    not_accepted: int = 0
    """Rows of templates that the adapter does not take."""
    failed_exports: int = 0
    files_removed: int = 0
    files_unreadable: int = 0
    batches_damaged: int = 0
    """Left out: they are in the journal, and can't be read."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows were rejected, the first hundred different reasons."""
    last_error: str = ""
    finished: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything was sent and taken."""
        left_out = self.rejected or self.not_accepted or self.files_unreadable or self.batches_damaged
        return self.finished and not left_out

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        return asdict(self) | {"complete": self.complete}


class Replay:
    """One replay to one handler, tried with the handler's patience for as long as it takes.

    Rows keep their identity, so a sink that drops duplicates may be sent what it has. What it rejects makes no new
    dead letters: it still lies where it was read.
    """

    def __init__(
        self,
        handler: str,
        adapter: Adapter,
        terms: Terms | None = None,
        *,
        select: Select = everything,
        secrets: Collection[str] = (),
        progress: Callable[[Replayed], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.result = Replayed()
        self._counts = Counts(handler, SelfMetrics())
        self._condition = Condition(handler, secrets)
        self._progress = progress
        self._sleep = sleep
        self._lock = threading.Lock()
        self._courier = Courier(
            adapter=adapter,
            counts=self._counts,
            condition=self._condition,
            terms=terms or Terms(),
            select=select,
            keep=self._rejected,
            random=Random(),  # noqa: S311 - jitter, no secret
            sleep=self._wait,
        )

    async def history(self, batches: Iterable[Batch]) -> Replayed:
        """Send these, several at a time if the terms say so. Cancelled, it leaves in `result` what was done."""
        source = _Threaded(batches)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._courier.terms.concurrency):
                    group.create_task(self._send_all(source))
        except* TelemetryError as errors:  # of the source: a TaskGroup wraps what it passes on
            raise errors.exceptions[0] from None
        finally:
            await source.close()
        self.result.finished = True
        return self.result

    async def dead_letters(self, files: Sequence[Path]) -> Replayed:
        """Send what these files hold, one after the other; a file whose every row was taken is removed.

        No rules are asked: its rows were chosen before, and a row left out now would be gone.
        """
        self._courier.select = everything
        for path in files:
            try:
                letter = await asyncio.to_thread(read, path)
            except (Unreadable, OSError) as error:
                self.result.files_unreadable += 1
                self.result.last_error = str(error)
                continue
            refused = self.result.rejected + self.result.not_accepted
            await self._send(letter.batch)
            if self.result.rejected + self.result.not_accepted == refused:
                with suppress(FileNotFoundError):  # given up meanwhile by a service that runs
                    path.unlink()
                self.result.files_removed += 1
        self.result.finished = True
        return self.result

    async def _send_all(self, source: "_Threaded") -> None:
        while (batch := await source.next()) is not None:
            await self._send(batch)

    async def _send(self, batch: Batch) -> None:
        self.result.batches += 1
        self.result.rows += len(batch.rows)
        if batch.template in self._courier.adapter.accepts:
            try:
                await self._courier.deliver(Consignment.of(self.result.batches, batch))
            finally:
                self._take_over()
        else:
            self.result.not_accepted += len(batch.rows)
        self._progress(self.result)

    def _rejected(self, batch: Batch, reasons: Sequence[str]) -> None:
        with self._lock:  # called in threads, several at a time
            self.result.rejected += len(batch.rows)
            for reason, count in Counter(reasons).items():
                if reason in self.result.reasons or len(self.result.reasons) < _REASONS:
                    self.result.reasons[reason] += count

    async def _wait(self, seconds: float) -> None:
        self.result.failed_exports += 1
        self._take_over()
        self._progress(self.result)
        await self._sleep(seconds)

    def _take_over(self) -> None:
        result, counts = self.result, self._counts
        result.delivered, result.filtered = counts.delivered, counts.filtered
        result.sampled_out = counts.sampled_out
        result.last_error = self._condition.last_error or result.last_error


class _Threaded:
    """Iterates in a thread of its own: always the same, as a database wants."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = iter(batches)
        self._thread = ThreadPoolExecutor(1, "history")
        self._turn = asyncio.Lock()
        self._ahead: asyncio.Future[Batch | None] | None = None

    async def next(self) -> Batch | None:
        """Give the next, None at the end. One more is read meanwhile. May be asked by several at once."""
        async with self._turn:
            batch = await (self._ahead or self._read())
            self._ahead = self._read()
            return batch

    def _read(self) -> asyncio.Future[Batch | None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, next, self._batches, None)

    async def close(self) -> None:
        """Let go of the source, in its thread."""
        if self._ahead is not None:
            await asyncio.wait([self._ahead])
            self._ahead.cancelled() or self._ahead.exception()  # looked at: nobody else will
        if isinstance(self._batches, Generator):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._batches.close)
        self._thread.shutdown(wait=False)
