"""One task enters an adapter and leaves it, whichever tasks begin and end the handlers."""

import asyncio
from contextlib import suppress
from contextvars import ContextVar

import anyio
import pytest
import structlog

from telemetry.handlers import Handlers
from telemetry.journal.memory import MemoryJournal
from telemetry.selfmetrics import SelfMetrics
from tests.delivery.sinks import ROOMY, Sink
from tests.delivery.test_stubborn_adapters import begun, outfit

VARIABLE = ContextVar("VARIABLE", default="outside")


class Bound(Sink):
    """Has entered what is bound to its task and to its context; flushes when it is out of both."""

    def __init__(self):
        super().__init__()
        self.flushed = False

    async def __aenter__(self):
        self.token = VARIABLE.set("inside")
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self.group.__aexit__(*error)
        VARIABLE.reset(self.token)
        self.flushed = True


class Failing(Bound):
    """Its own work, that goes on beside its exports, fails when it is told to."""

    def __init__(self):
        super().__init__()
        self.fails = asyncio.Event()

    async def __aenter__(self):
        await super().__aenter__()
        self.group.start_soon(self.work)
        return self

    async def work(self):
        await self.fails.wait()
        raise ConnectionError("the work beside")


class Slow(Sink):
    """Takes its time to be entered; `deaf`: whoever cancels that or not."""

    def __init__(self, deaf=False):
        super().__init__()
        self.deaf = deaf
        self.entering, self.may_enter, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.gave_up = False

    async def __aenter__(self):
        self.entering.set()
        while not self.may_enter.is_set():
            try:
                await self.may_enter.wait()
            except asyncio.CancelledError:
                self.gave_up = True
                if not self.deaf:
                    raise
        return self

    async def __aexit__(self, *_):
        self.left.set()


class Broken(Sink):
    def __init__(self, error):
        super().__init__()
        self.error = error

    async def __aenter__(self):
        raise self.error


def wanted(sink, made_of=0):
    return outfit(sink, MemoryJournal(max_bytes=ROOMY), SelfMetrics(), made_of)


async def test_an_adapter_is_left_in_the_task_and_context_that_entered_it():
    sink = Bound()
    with structlog.testing.capture_logs() as logs:
        handlers = await begun(("sink", wanted(sink)))
        await asyncio.create_task(handlers.stop())
    assert sink.flushed
    assert not logs


async def test_a_reload_by_another_task_leaves_the_adapter_before_cleanly():
    sink, journal, counted = Bound(), MemoryJournal(max_bytes=ROOMY), SelfMetrics()
    handlers = await begun(("sink", outfit(sink, journal, counted)))

    async def reload():
        await handlers.apply(await handlers.prepare({"sink": outfit(Sink(), journal, counted, made_of=1)}))

    with structlog.testing.capture_logs() as logs:
        await asyncio.create_task(reload())
        await handlers.stop()
    assert sink.flushed
    assert not logs


@pytest.mark.parametrize("error", [ValueError("broken"), asyncio.CancelledError(), ExceptionGroup("two", [OSError()])])
async def test_what_entering_raises_is_passed_on_and_what_was_entered_before_is_left(error):
    first = Bound()
    handlers = Handlers(lambda task: None, leave_s=0.05)
    with structlog.testing.capture_logs() as logs, pytest.raises(type(error)) as raised:
        await handlers.prepare({"first": wanted(first), "second": wanted(Broken(error))})
    assert raised.value is error or isinstance(error, asyncio.CancelledError)
    assert first.flushed
    assert not logs


async def test_entering_that_is_cancelled_is_given_up():
    sink = Slow()
    handlers = Handlers(lambda task: None, leave_s=5)
    preparing = asyncio.create_task(handlers.prepare({"sink": wanted(sink)}))
    await sink.entering.wait()
    preparing.cancel()
    await asyncio.wait([preparing], timeout=5)
    assert (preparing.cancelled(), sink.gave_up, sink.left.is_set()) == (True, True, False)


async def test_entering_that_hears_no_cancellation_holds_up_nobody_and_is_left_once_it_is_done():
    sink = Slow(deaf=True)
    handlers = Handlers(lambda task: None, leave_s=0.05)
    preparing = asyncio.create_task(handlers.prepare({"sink": wanted(sink)}))
    await sink.entering.wait()
    preparing.cancel()
    await asyncio.wait([preparing], timeout=5)
    assert (preparing.cancelled(), sink.left.is_set()) == (True, False)
    sink.may_enter.set()
    await asyncio.wait_for(sink.left.wait(), 5)


async def test_an_adapter_whose_own_work_ends_it_is_said_at_once_and_only_once():
    sink = Failing()
    handlers = await begun(("sink", wanted(sink)))
    with structlog.testing.capture_logs() as logs:
        sink.fails.set()
        async with asyncio.timeout(5):
            while not logs:
                await asyncio.sleep(0)
        with suppress(ConnectionError):
            await handlers.stop()
    assert [(entry["handler"], "by itself" in entry["event"]) for entry in logs] == [("sink", True)]
