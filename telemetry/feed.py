"""Chunks from the receivers, through the pipeline, into the journal: in order, and no sender at another's cost."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, Self, TypeVar

from prometheus_client import Counter

from telemetry.batch import Batch
from telemetry.boundary import Failures, boundary
from telemetry.journal import Journal
from telemetry.receivers.coalesce import Chunk, Coalescer

__all__ = ["Feed", "Work"]


class Work(Protocol):
    """What chunks go through: the pipeline of entries, or the one of Envoys' own stats. For one thread."""

    def run(self, chunk: Chunk) -> list[Batch]:
        """Give what came of the chunk."""

    def flush(self, now_ns: int) -> list[Batch]:
        """Give what has become due."""

    def retire(self, successor: Self) -> list[Batch]:
        """Give what the successor does not go on with. The last call."""


AnyWork = TypeVar("AnyWork", bound=Work)


class Feed(Generic[AnyWork]):
    """Runs the work in a thread of its own, one call at a time, and hands on what it gives in the same order.

    A chunk that fails is tried again sender by sender, so that only the entries of those are lost (and counted as
    `rejected`) that can't be processed. `show` is given what goes into the journal, and must not wait.
    """

    def __init__(
        self,
        coalescer: Coalescer,
        work: AnyWork,
        journal: Journal,
        rejected: Counter,
        show: Callable[[Sequence[Batch]], None] = lambda _: None,
    ) -> None:
        self._coalescer = coalescer
        self._work = work
        self._retired: list[tuple[AnyWork, AnyWork]] = []
        self._journal = journal
        self._rejected = rejected
        self._show = show
        self._order = asyncio.Lock()
        self._appending: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "pipeline")
        self._failures = Failures()
        self.entries_in_hand = 0
        """Entries taken and not yet in the journal."""

    async def run(self) -> None:
        """Feed until the coalescer is closed and empty."""
        while (chunk := await self._coalescer.take()) is not None:
            async with self._order:
                self.entries_in_hand += chunk.entries
                await self._hand_on(await self._process(chunk), chunk.entries)
        await self._appended()

    async def flush(self, now_ns: int) -> None:
        """Hand on what has become due by then, pipeline.END_NS for all that is held."""
        async with self._order:
            batches: list[Batch] = []
            for work in self._due(now_ns):
                with boundary() as outcome:
                    batches += await self._call(work)
                if outcome.error is not None:
                    self._failures.say("what was held back could not be handed on", outcome.error)
            await self._hand_on(batches)
            await self._appended()

    def use(self, work: AnyWork) -> None:
        """Let the next chunk go through this; what the old one's own parts hold comes with a flush.

        A chunk that is on its way stays with the old one; both have the same thread, so never run at the same time.

        Never waits: a journal that is full must not hold up the reload that may free it.
        """
        self._retired.append((self._work, work))
        self._work = work

    def close(self) -> None:
        """End the thread, once what runs has run; what is being appended is given up."""
        self._thread.shutdown(wait=False)
        if self._appending is not None:
            self._appending.cancel()

    async def _hand_on(self, batches: list[Batch], entries: int = 0) -> None:
        """Append behind what was appended before, and go on: the disk works while the next chunk is processed."""
        await self._appended()
        self._appending = asyncio.create_task(self._append(batches, entries))
        self._show(batches)

    async def _append(self, batches: list[Batch], entries: int) -> None:
        await self._journal.append(batches)
        self.entries_in_hand -= entries

    async def _appended(self) -> None:
        """Wait until everything handed on is kept."""
        if self._appending is not None:
            await asyncio.shield(self._appending)

    def _due(self, now_ns: int) -> list[Callable[[], list[Batch]]]:
        """Give the calls that hand on what the retired ones leave, and what has become due."""
        retired, self._retired = self._retired, []
        return [*(partial(old.retire, new) for old, new in retired), partial(self._work.flush, now_ns)]

    async def _process(self, chunk: Chunk) -> list[Batch]:
        batches, error = await self._attempt(chunk)
        if error is None:
            return batches
        parts = chunk.by_sender() if len(chunk.distinct) > 1 else []
        if not parts:
            self._give_up(chunk, error)
        for part in parts:
            some, error = await self._attempt(part)
            batches += some
            if error is not None:
                self._give_up(part, error)
        return batches

    async def _attempt(self, chunk: Chunk) -> tuple[list[Batch], Exception | None]:
        with boundary() as outcome:
            return await self._call(partial(self._work.run, chunk)), None
        return [], outcome.error

    async def _call(self, work: Callable[[], Iterable[Batch]]) -> list[Batch]:
        return list(await asyncio.get_running_loop().run_in_executor(self._thread, work))

    def _give_up(self, chunk: Chunk, error: Exception) -> None:
        self._rejected.inc(chunk.entries)
        nodes = [node.id for node in chunk.distinct]
        self._failures.say("entries could not be processed", error, entries=chunk.entries, nodes=nodes)
