"""The law holds, whatever happens and at every moment: each row offered has exactly one fate, or is pending."""

import asyncio
from collections import Counter
from random import Random

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from telemetry.delivery import Delivery
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.journal.memory import MemoryJournal
from telemetry.rules import Selected, everything
from tests.delivery.sinks import Box, Row, Sink, delivery, rows_of
from tests.rows import metrics

MOODS = (
    "take", "retry", "refuse connection", "reject", "too large", "partial", "bogus partial", "hang", "take and hang",
    "cancel", "swallow the cancellation", "bug",
)  # fmt: skip


class Moody(Sink):
    """Behaves as each mood says, and knows which rows it said it has; what it has unsaid may come again."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.moods: list[str] = []
        self.acknowledged: Counter[Row] = Counter()
        self._random = random

    async def export(self, batch):
        mood = self.moods.pop(0) if self.moods else "take"
        await asyncio.sleep(0)
        if mood == "partial":
            self._take_some(batch)
        if mood in {"hang", "take and hang"}:
            await asyncio.Event().wait()
        if mood == "swallow the cancellation":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                mood = "take"
        errors = {
            "retry": Retry("later", after_s=3),
            "refuse connection": ConnectionRefusedError("nobody there"),
            "reject": Rejected("never"),
            "too large": TooLarge("too much"),
            "bogus partial": Partial("what", retry=[len(batch.rows) + 3], rejected={-1: "?"}),
            "cancel": asyncio.CancelledError(),
            "bug": ZeroDivisionError("oops"),
        }
        if mood in errors:
            raise errors[mood]
        self.acknowledged.update(rows_of(batch))

    def _take_some(self, batch):
        fates = [self._random.choice(["take", "retry", "reject"]) for _ in range(len(batch.rows))]
        at = {fate: [i for i, one in enumerate(fates) if one == fate] for fate in ("take", "retry", "reject")}
        rows = rows_of(batch)
        self.acknowledged.update(rows[i] for i in at["take"])
        raise Partial("some", retry=at["retry"], rejected=dict.fromkeys(at["reject"], "bad row"))


class Law(RuleBasedStateMachine):
    """Batches come, the sink has its moods, the journal is full, rules change, runs are cancelled and begun again."""

    @initialize(
        room=st.integers(300, 100_000), concurrency=st.integers(1, 4), seed=st.integers(), opens=st.integers(1, 5),
        keep=st.booleans(),
    )  # fmt: skip
    def begin(self, room, concurrency, seed, opens, keep):
        self.loop = asyncio.new_event_loop()
        self.sink, self.box = Moody(Random(seed)), Box()
        self.journal = MemoryJournal(max_bytes=room)
        self.sent: Counter[Row] = Counter()
        self.task: asyncio.Task | None = None

        async def make() -> Delivery:
            return delivery(
                self.sink, self.journal, concurrency=concurrency, deadline_s=0.005, open_circuit_after=opens,
                dead_letters=self.box if keep else None,
            )  # fmt: skip

        self.one = self.loop.run_until_complete(make())

    @rule(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4))
    def batches_come(self, sizes):
        for size in sizes:
            batch = metrics(*range(size), sequence=len(self.sent) + 1)
            self.sent.update(rows_of(batch))
            self.loop.run_until_complete(self.journal.append([batch]))

    @rule(moods=st.lists(st.sampled_from(MOODS), min_size=1, max_size=6))
    def the_sink_is_moody(self, moods):
        self.sink.moods += moods

    @rule()
    def it_runs(self):
        if self.task is None:
            self.task = self.loop.create_task(self.one.run())

    @rule(turns=st.integers(1, 30))
    def time_passes(self, turns):
        async def pass_() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
                self.balanced()

        self.loop.run_until_complete(pass_())

    @rule()
    def a_deadline_passes(self):
        self.loop.run_until_complete(asyncio.sleep(0.006))

    @rule()
    def the_run_is_cancelled(self):
        async def cancel() -> None:
            self.task.cancel()
            while not self.task.done():
                await asyncio.sleep(0)
                self.balanced()
            assert self.task.cancelled(), self.task.exception()

        if self.task is not None:
            self.loop.run_until_complete(cancel())
            self.task = None

    @rule(which=st.sampled_from(["everything", "halves", "nothing", "broken"]))
    def rules_change(self, which):
        def half(batch):
            keep = batch.row_numbers % 2 == 0
            left = len(batch.rows) - int(keep.sum())
            return Selected(batch.take(keep), filtered=left // 2, sampled_out=left - left // 2)

        def nothing(batch):
            return Selected(batch.slice(0, 0), filtered=len(batch.rows))

        def broken(_batch):
            raise LookupError("a rule with a bug")

        self.one.select = {"everything": everything, "halves": half, "nothing": nothing, "broken": broken}[which]

    @invariant()
    def balanced(self):
        if not hasattr(self, "one"):
            return
        account = self.one.account()
        assert account.unaccounted == 0, account
        assert account.pending >= 0
        assert account.offered == sum(self.sent.values())
        assert account.delivered == sum(self.sink.acknowledged.values())

    def teardown(self):
        if hasattr(self, "one"):
            try:
                self.the_run_is_cancelled()
                self.the_faults_stop()
            finally:
                self.loop.run_until_complete(self.loop.shutdown_default_executor())
                self.loop.close()

    def the_faults_stop(self):
        """Then all that is pending arrives, and each row has had exactly one fate."""

        async def finish() -> None:
            task = asyncio.create_task(self.one.run())
            await asyncio.wait_for(self.one.delivered(), 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.sink.moods.clear()
        self.loop.run_until_complete(finish())
        self.balanced()
        account, taken, buried = self.one.account(), self.sink.acknowledged, self.box.rows
        assert account.pending == 0
        assert set(taken.values()) <= {1}, "acknowledged, and yet offered again"
        assert set(buried.values()) <= {1}
        assert not taken & buried
        assert sum(buried.values()) == account.dead_lettered
        assert set(taken) | set(buried) <= set(self.sent), "something that nobody sent"
        gone = account.dropped + account.filtered + account.sampled_out
        assert len(self.sent) - len(taken) - len(buried) == gone


Law.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLaw = Law.TestCase
