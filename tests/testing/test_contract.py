"""The contract finds what it is there to find: each adapter here breaks it in one way, and that one test says so."""

import asyncio
from collections.abc import Hashable, Iterable
from contextlib import AbstractAsyncContextManager

import pytest
from pydantic import BaseModel, ConfigDict, Field

from telemetry.batch import Batch, Template, fault_of
from telemetry.errors import Rejected, Retry
from telemetry.testing import AdapterContract, Behaviour, Clock, FakeJournal, batch_of, hostile, marks, megabytes

pytest_plugins = ["pytester"]


class Memory:
    """A back end in memory that can do everything but be partial."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Hashable]] = []
        self.behaviour = Behaviour.WORK
        self._works = asyncio.Event()

    async def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        if behaviour is Behaviour.WORK:
            self._works.set()
            self._works = asyncio.Event()

    async def taken(self) -> Iterable[str]:
        return [mark for mark, _ in self.rows]

    async def identities(self) -> Iterable[Hashable]:
        return [identity for _, identity in self.rows]

    async def take(self, batch: Batch) -> None:
        numbers = batch.row_numbers.to_list()
        rows = [(mark, (batch.sequence, number)) for mark, number in zip(marks(batch), numbers, strict=True)]
        match self.behaviour:
            case Behaviour.SLOW:
                await asyncio.sleep(0.3)
            case Behaviour.HANG:
                await self._works.wait()
            case Behaviour.REJECT:
                raise Rejected("no such table")
            case Behaviour.FORGET:
                self.rows += rows
                raise ConnectionResetError
            case Behaviour.UNREACHABLE | Behaviour.BUSY | Behaviour.NONSENSE:
                raise Retry(self.behaviour.value)
        self.rows += rows


class Good(AbstractAsyncContextManager["Good"]):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        table: str = Field("rows", description="Where they go.")

    accepts = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config, sink: Memory) -> None:
        self.sink = sink

    async def __aexit__(self, *_: object) -> None: ...

    async def export(self, batch: Batch) -> None:
        await self.sink.take(batch)


class Suite(AdapterContract):
    adapter_class = Good
    huge_rows = 100
    cannot = {Behaviour.PARTIAL: "it takes all or nothing"}  # noqa: RUF012 - declared once, never changed

    @pytest.fixture
    def sink(self) -> Memory:
        return Memory()

    def make(self, sink: Memory) -> Good:
        return self.adapter_class(self.adapter_class.Config(), sink)


class TestGood(Suite):
    """Whoever keeps the contract passes it."""


WHOLE = "test_a_batch_arrives_whole_before_export_returns"
IDENTITY = "test_a_row_is_told_from_all_others_and_recognised_when_it_comes_again"
UNREACHABLE = "test_an_unreachable_sink_does_not_keep_the_service_from_starting"
BROKEN = (
    # The test that must fail, and what makes it: the body of a class.
    (WHOLE, "async def export(self, batch): await self.sink.take(batch.slice(0, 5))"),
    (WHOLE, "async def export(self, batch): asyncio.create_task(self.sink.take(batch))"),
    (WHOLE, "async def export(self, batch):\n  for _ in range(2): await self.sink.take(batch)"),
    (IDENTITY, "async def export(self, batch): await self.sink.take(replace(batch, kept=None))"),
    (UNREACHABLE, "async def export(self, batch):\n  with suppress(Exception): await self.sink.take(batch)"),
    (
        "test_nothing_is_lost_and_nothing_invented_whatever_the_sink_does",
        "async def export(self, batch):\n  with suppress(Exception): await self.sink.take(batch)",
    ),
    (
        "test_what_may_pass_is_never_rejected_and_the_same_batch_works_later",
        "async def export(self, batch):\n"
        "  try: await self.sink.take(batch)\n  except Exception as error: raise Rejected('no') from error",
    ),
    (
        "test_what_the_sink_never_takes_is_rejected_and_the_next_batch_goes_on",
        "async def export(self, batch):\n"
        "  try: await self.sink.take(batch)\n  except Exception as error: raise Retry('no') from error",
    ),
    (
        "test_a_slow_sink_does_not_stop_the_event_loop",
        "async def export(self, batch):\n  time.sleep(0.3 * (self.sink.behaviour == 'be slow'))\n"
        "  self.sink.behaviour = Behaviour.WORK\n  await self.sink.take(batch)",
    ),
    (
        "test_hostile_text_arrives_as_it_is",
        "async def export(self, batch):\n"
        "  if any('\\n' in mark for mark in marks(batch)): raise ValueError\n  await self.sink.take(batch)",
    ),
    (
        UNREACHABLE,
        "async def __aenter__(self):\n  await self.sink.take(batch_of(Template.LOGENTRY, 0))\n  return self",
    ),
    (
        "test_no_task_is_left_behind",
        "async def __aenter__(self):\n  self.task = asyncio.create_task(asyncio.sleep(60))\n  return self",
    ),
    (
        "test_closing_twice_is_closing_once",
        "async def __aexit__(self, *_):\n  self.closed = hasattr(self, 'closed') and 1 / 0",
    ),
    ("test_each_option_is_described", "class Config(BaseModel):\n  table: str = 'rows'"),
    (
        "test_its_config_refuses_what_it_does_not_know_and_never_changes",
        "class Config(BaseModel):\n  table: str = 'rows'",
    ),
    ("test_it_says_which_templates_it_accepts", "accepts = frozenset()"),
)

MODULE = """
import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from pydantic import BaseModel
from telemetry.batch import Template
from telemetry.errors import Rejected, Retry
from telemetry.testing import Behaviour, batch_of, marks
from tests.testing.test_contract import Good, Suite

class Broken(Good):
{body}

class TestBroken(Suite):
    adapter_class = Broken
"""


def test_a_broken_adapter_is_found_by_the_test_of_that_promise(pytester: pytest.Pytester) -> None:
    for number, (_, body) in enumerate(BROKEN):
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        pytester.makepyfile(**{f"test_broken_{number}": MODULE.format(body=indented)})
    wanted = [f"test_broken_{number}.py::TestBroken::{test}" for number, (test, _) in enumerate(BROKEN)]
    scope = "asyncio_default_fixture_loop_scope=function"
    outcome = pytester.inline_run("-p", "no:cacheprovider", "--import-mode=importlib", "-o", scope, *wanted)
    failed = {report.nodeid.partition("[")[0] for report in outcome.getfailures()}
    assert failed == set(wanted)


@pytest.mark.parametrize("template", Template)
def test_batches_are_what_adapters_are_promised(template: Template) -> None:
    for batch in (batch_of(template, 20), hostile(template), megabytes(template), batch_of(template, 0)):
        assert fault_of(batch) is None
        assert len(set(marks(batch))) == len(batch.rows)


def test_equal_arguments_give_equal_batches_and_sequences_tell_them_apart() -> None:
    one, same, other = (batch_of(Template.LOGENTRY, 9, sequence=at) for at in (1, 1, 2))
    assert one.rows.equals(same.rows)
    assert not set(marks(one)) & set(marks(other))


async def test_the_clock_goes_when_it_is_told_to() -> None:
    clock = Clock(now_ns=5)
    clock.advance(2)
    await clock.sleep(0.5)
    assert (clock.time_ns(), clock.monotonic_ns(), clock.slept_s) == (2_500_000_005, 2_500_000_000, [0.5])


async def test_the_journal_gives_each_cursor_its_templates_and_counts() -> None:
    journal = FakeJournal()
    after = journal.attach("one", {Template.LOGENTRY})
    waiting = asyncio.create_task(journal.read("one", after, 10))
    await asyncio.sleep(0)
    await journal.append([batch_of(Template.METRIC, 5), batch_of(Template.LOGENTRY, 3), batch_of(Template.LOGENTRY, 2)])
    assert [offset for offset, _ in await waiting] == [2, 3]
    journal.lose("one", 3)
    await journal.commit("one", 2)
    assert (journal.offered_rows("one"), journal.pending_rows("one"), journal.lost_rows("one")) == (5, 0, 2)
    assert journal.attach("one", {Template.LOGENTRY}) == 2
    assert journal.detach("one") == 0
