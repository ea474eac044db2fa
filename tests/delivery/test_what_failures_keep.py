"""A failed export must leave nothing behind that only the garbage collector would find: it comes late."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telemetry.batch import Batch
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.journal.memory import MemoryJournal
from tests.delivery.sinks import ROOMY, Sink, delivery, run_until_delivered
from tests.rows import metrics


@contextmanager
def without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class StrangeError(Exception):
    """One that nobody knows."""


class Failing(Sink):
    """Fails five times, and knows which of its failures somebody still holds."""

    def __init__(self, kind: type[Exception], details: dict[str, object]) -> None:
        super().__init__()
        self._kind, self._details = kind, details
        self._raised: list[weakref.ref[Exception]] = []

    async def export(self, batch: Batch) -> None:
        if len(self._raised) < 5:
            raise self._failure()
        await super().export(batch)

    def _failure(self) -> Exception:
        error = self._kind("not now", **self._details)
        self._raised.append(weakref.ref(error))
        return error

    @property
    def held(self) -> list[Exception]:
        return [error for ref in self._raised if (error := ref()) is not None]


@pytest.mark.parametrize(
    ("kind", "details"),
    [(Retry, {}), (Rejected, {}), (TooLarge, {}), (StrangeError, {}), (Partial, {"retry": [0], "rejected": {}})],
)
async def test_nobody_holds_a_failure_that_is_over(kind: type[Exception], details: dict[str, object]) -> None:
    journal, sink = MemoryJournal(max_bytes=ROOMY), Failing(kind, details)
    one = delivery(sink, journal)
    with without_collections():
        await journal.append([metrics(*range(8))])
        await run_until_delivered(one)
        assert not sink.held
