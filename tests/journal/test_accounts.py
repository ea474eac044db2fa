"""The account of both journals, whatever happens: offered = committed + lost + pending."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telemetry.batch import Batch, Template
from telemetry.journal.ledger import Ledger
from telemetry.journal.memory import MemoryJournal
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics
from tests.rows import logentries, metrics

CURSORS = {
    "metrics": {Template.METRIC},
    "entries": {Template.LOGENTRY},
    "both": {Template.METRIC, Template.LOGENTRY},
    "blocking": {Template.METRIC},
}


class Watched(Ledger):
    """Tells when it has looked for room, and whether there was none."""

    looks, full = 0, False

    def _room_for(self, size_bytes):
        room = super()._room_for(size_bytes)
        self.looks, self.full = self.looks + 1, not room
        return room


class WatchedMemory(Watched, MemoryJournal):
    """In memory."""


class WatchedFile(Watched, SqliteJournal):
    """In a file."""


class Accounts(RuleBasedStateMachine):
    """Appends, reads, commits, cursors that come and go; a model keeps what each cursor has to get."""

    max_bytes = 100_000

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.journal = self.run(self.opened())
        self.sequence = 0
        self.before = 0
        self.after: dict[str, int] = {}
        self.committed: dict[str, int] = {}
        self.hand: dict[str, list[tuple[int, Batch]]] = {}
        self.got: dict[str, list[int]] = {}
        self.waiting: list[asyncio.Task] = []

    async def opened(self):
        return WatchedMemory(max_bytes=self.max_bytes)

    def run(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def teardown(self):
        self.give_up_waiting()
        self.loop.close()

    def give_up_waiting(self):
        for task in self.waiting:
            task.cancel()
        if self.waiting:
            self.loop.run_until_complete(asyncio.wait(self.waiting))
        self.waiting = []

    @rule(name=st.sampled_from(sorted(CURSORS)))
    def attach(self, name):
        """Begin a cursor, or begin it anew, as a handler that was changed."""
        self.after[name] = self.journal.attach(name, CURSORS[name], "block" if name == "blocking" else "drop_oldest")
        self.committed[name], self.hand[name], self.got[name] = 0, [], []
        self.attached()

    def attached(self):
        """In memory nothing happens by itself."""

    @precondition(lambda self: self.after)
    @rule(data=st.data())
    def detach(self, data):
        name = data.draw(st.sampled_from(sorted(self.after)))
        pending = self.journal.pending_rows(name)
        self.before = self.journal.looks
        assert self.journal.detach(name) == pending
        del self.after[name]
        self.settle()

    @precondition(lambda self: not self.waiting)
    @rule(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=3), kind=st.sampled_from("mel"))
    def append(self, sizes, kind):
        batches = [self.batch(size, kind) for size in sizes]
        self.before = self.journal.looks
        self.waiting.append(self.loop.create_task(self.journal.append(batches)))
        self.settle()
        if self.waiting:
            assert self.journal.pending_rows("blocking"), "only a cursor that may not lose holds an append up"

    @precondition(lambda self: self.after)
    @rule(data=st.data(), limit=st.integers(1, 3))
    def read(self, data, limit):
        name = data.draw(st.sampled_from(sorted(self.after)))
        if self.journal.pending_batches(name) <= len(self.hand[name]):
            return
        found = self.run(self.journal.read(name, self.after[name], limit))
        assert 1 <= len(found) <= limit
        for offset, batch in found:
            assert offset > self.after[name]
            assert batch.template in CURSORS[name]
            self.got[name].append(batch.sequence)
            self.after[name] = offset
        self.hand[name] += found

    @precondition(lambda self: any(self.hand.get(name) for name in self.after))
    @rule(data=st.data())
    def commit(self, data):
        """Commit some or all of what is in hand, cumulatively."""
        name = data.draw(st.sampled_from(sorted(name for name in self.after if self.hand[name])))
        count = data.draw(st.integers(1, len(self.hand[name])))
        done, self.hand[name] = self.hand[name][:count], self.hand[name][count:]
        self.before = self.journal.looks
        self.run(self.journal.commit(name, done[-1][0]))
        self.committed[name] += sum(len(batch.rows) for _, batch in done)
        self.settle()

    def settle(self):
        """Let an append go on until it is done, or held up: that, and never the time, decides what comes next."""
        for task in self.waiting:
            self.run(self.done_or_held(task))
            if task.done():
                task.result()
        self.waiting = [task for task in self.waiting if not task.done()]

    async def done_or_held(self, task):
        looks = self.seen()
        while not task.done() and not (self.journal.full and self.journal.looks > looks):
            await asyncio.wait([task], timeout=0.001)

    def seen(self):
        """Give the looks that were before what has just changed: in memory every change is looked at once."""
        return self.before

    def batch(self, size, kind):
        self.sequence += 1
        if kind == "e" or (kind == "l" and self.sequence % 2):
            return logentries(*[{}] * min(size, 3), sequence=self.sequence)
        return metrics(*range(size), sequence=self.sequence)

    @invariant()
    def the_account_is_balanced(self):
        for name in self.after:
            journal = self.journal
            offered, lost, pending = (
                journal.offered_rows(name),
                journal.lost_rows(name),
                journal.pending_rows(name),
            )
            assert offered == self.committed[name] + lost + pending
            assert lost == sum(loss.rows for loss in journal.losses(name))
            assert (journal.pending_batches(name) == 0) == (pending == 0)
            assert (journal.oldest_pending_ns(name) is None) == (pending == 0)
            assert pending >= sum(len(batch.rows) for _, batch in self.hand[name])
            if name == "blocking":
                assert lost == 0

    @invariant()
    def batches_come_once_and_in_order(self):
        for name in self.after:
            assert self.got[name] == sorted(set(self.got[name]))

    @invariant()
    def losses_are_ranges_in_order(self):
        for name in self.after:
            losses = self.journal.losses(name)
            assert all(one.first <= one.last for one in losses)
            assert [one.first for one in losses] == sorted(one.first for one in losses)


class DurableAccounts(Accounts):
    """The same, with a file, that is closed and opened now and then."""

    max_bytes = 200_000

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="telemetry-journal-")
        super().__init__()

    async def opened(self):
        journal = WatchedFile(
            Path(self.folder) / "journal.db", SelfMetrics(), max_bytes=self.max_bytes, tail_bytes=40_000, flush_s=0.02
        )
        return await journal.__aenter__()

    def seen(self):
        """All so far: who waits to write looks again by itself."""
        return self.journal.looks

    def attached(self):
        """Who waits to write looks for room now and then: what had been in hand may go."""
        self.settle()

    @precondition(lambda self: not self.waiting)
    @rule()
    def reopen(self):
        """What is pending is offered again; nothing is lost on the way, and nothing comes back that was committed."""
        before = {name: self.journal.pending_rows(name) for name in self.after}
        self.run(self.journal.__aexit__(None, None, None))
        self.journal = self.run(self.opened())
        for name in self.after:
            self.attach(name)
            assert self.journal.offered_rows(name) == before[name]

    def teardown(self):
        self.give_up_waiting()
        self.run(self.journal.__aexit__(None, None, None))
        super().teardown()
        shutil.rmtree(self.folder)


Accounts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
DurableAccounts.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestTheAccountInMemory = Accounts.TestCase
TestTheAccountOnDisk = DurableAccounts.TestCase
