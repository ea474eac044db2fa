"""Sinks of every mood, the time they take, and a delivery to them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

from telemetry.batch import Batch, Template
from telemetry.delivery import Delivery, Patience, Terms
from telemetry.journal.memory import MemoryJournal
from telemetry.plugin import Limits
from telemetry.selfmetrics import SelfMetrics

ROOMY = 1 << 30

Row = tuple[int, int]
"""Sequence and row number: which row it is."""


def rows_of(batch: Batch) -> list[Row]:
    return [(batch.sequence, number) for number in batch.row_numbers.to_list()]


class Sink(AbstractAsyncContextManager):
    """Answers as it is told. `answers`: what the next exports do, in order: None takes the batch, an exception is
    raised, an event is waited for first, a function of the batch gives one of these. Then everything is taken."""

    accepts = frozenset({Template.METRIC})

    def __init__(self, answers: Iterable[Any] = (), limits: Limits | None = None) -> None:
        self.offered: list[Batch] = []
        self.taken: list[Batch] = []
        self.limits = limits or Limits()
        self.running = self.most_running = 0
        self._answers = iter(answers)

    async def __aexit__(self, *_: object) -> None:
        return None

    async def export(self, batch: Batch) -> None:
        self.offered.append(batch)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            answer = next(self._answers, None)
            if callable(answer) and not isinstance(answer, BaseException):
                answer = answer(batch)
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, asyncio.Event):
                await answer.wait()
            self.taken.append(batch)
        finally:
            self.running -= 1

    @property
    def rows(self) -> list[Row]:
        return [row for batch in self.taken for row in rows_of(batch)]


class Clock:
    """Sleeps that take no time, and are remembered."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


class Box:
    """Dead letters in memory; `error` is raised instead, when set."""

    place = "memory"

    def __init__(self, error: Exception | None = None) -> None:
        self.letters: list[tuple[Batch, Sequence[str]]] = []
        self.error = error

    def __call__(self, batch: Batch, reasons: Sequence[str]) -> None:
        if self.error:
            raise self.error
        self.letters.append((batch, reasons))

    def measure(self) -> None:
        return

    @property
    def rows(self) -> Counter[Row]:
        return Counter(row for batch, _ in self.letters for row in rows_of(batch))


def delivery(sink: Any, journal: MemoryJournal, name: str = "sink", **options: Any) -> Delivery:
    """A delivery whose waits take no time; options of Patience and Terms may be given flat."""
    options.setdefault("sleep", Clock().sleep)
    patience = Patience(**{key: options.pop(key) for key in Patience.__slots__ if key in options})
    terms = Terms(patience, **{key: options.pop(key) for key in Terms.__slots__ if key in options})
    return Delivery(name, sink, journal, SelfMetrics(), terms, random=Random(7), **options)


async def until(condition: Callable[[], bool], task: asyncio.Task) -> None:
    async with asyncio.timeout(10):
        while not condition():
            assert not task.done(), task.exception()
            await asyncio.sleep(0)


async def run_until(one: Delivery, condition: Callable[[], bool]) -> None:
    task = asyncio.create_task(one.run())
    try:
        await until(condition, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run_until_delivered(one: Delivery) -> None:
    await run_until(one, lambda: not one.journal.pending_rows(one.name))


def sample(one: Delivery, metric: str, **labels: str) -> float:
    """One of the handler's metrics, 0 when it has no such sample."""
    return one.metrics.registry.get_sample_value(metric, {"handler": one.name, **labels}) or 0.0
