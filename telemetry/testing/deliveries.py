"""What every adapter does with rows that its back end takes."""

import asyncio

from telemetry.batch import Template
from telemetry.delivery import Delivery, Patience, Terms
from telemetry.selfmetrics import SelfMetrics
from telemetry.testing.batches import batch_of
from telemetry.testing.journal import FakeJournal
from telemetry.testing.sink import Behaviour, Feature, Sink
from telemetry.testing.subject import Subject, error_of, offer, within

__all__ = ["Deliveries"]

_QUICK = Terms(patience=Patience(deadline_s=0.5, initial_backoff_s=0.005, max_backoff_s=0.02))


class Deliveries(Subject):
    """Nothing is lost, nothing is invented, and a row that comes again can be told."""

    async def test_a_batch_arrives_whole_before_export_returns(self, sink: Sink, template: Template) -> None:
        """Returning means: the sink has it."""
        batch = batch_of(template)
        async with self.entered(sink) as adapter:
            await offer(adapter, batch)
            await self.has(sink, batch)

    async def test_many_batches_arrive_each_once(self, sink: Sink) -> None:
        """Whatever the adapter keeps from one export to the next, it keeps apart."""
        batches = [batch_of(template, 7, sequence=at) for at in range(1, 6) for template in self.templates()]
        batches = [batch_of(one.template, 7, sequence=at) for at, one in enumerate(batches, 1)]
        async with self.entered(sink) as adapter:
            for batch in batches:
                await offer(adapter, batch)
            await self.has(sink, *batches)

    async def test_an_empty_batch_is_nothing(self, sink: Sink, template: Template) -> None:
        """A rule may leave none of a batch's rows."""
        batch = batch_of(template)
        async with self.entered(sink) as adapter:
            await offer(adapter, batch.slice(0, 0))
            await self.has(sink)
            await offer(adapter, batch)
            await self.has(sink, batch)

    async def test_a_huge_batch_arrives_whole(self, sink: Sink, template: Template) -> None:
        """`huge_rows` of them, in pieces of the adapter's `limits`."""
        batch = batch_of(template, self.huge_rows)
        async with self.entered(sink) as adapter:
            await offer(adapter, batch)
            await self.has(sink, batch)

    async def test_only_the_rows_of_a_part_arrive(self, sink: Sink, template: Template) -> None:
        """Batches are filtered and split: what is left out stays out."""
        batch = batch_of(template, 10)
        part = batch.slice(3, 4)
        async with self.entered(sink) as adapter:
            await offer(adapter, part)
            await self.has(sink, part)

    async def test_a_row_is_told_from_all_others_and_recognised_when_it_comes_again(
        self, sink: Sink, template: Template
    ) -> None:
        """By receiver, epoch, sequence and row number: whole, again, and again in parts."""
        self.needs(Feature.IDENTITY)
        batch, other = batch_of(template, 6), batch_of(template, 6, sequence=2)
        async with self.entered(sink) as adapter:
            for one in (batch, batch, batch.slice(2, 3), other):
                await offer(adapter, one)
            await self.tells(sink, batch, other)

    async def test_a_row_is_recognised_after_a_restart(self, sink: Sink, template: Template) -> None:
        """The journal gives again what was not committed, to another process."""
        self.needs(Feature.IDENTITY)
        batch = batch_of(template, 6)
        for part in (batch, batch.slice(3, 3)):
            async with self.entered(sink) as adapter:
                await offer(adapter, part)
        await self.tells(sink, batch)

    async def test_what_was_taken_without_an_answer_is_recognised_when_it_comes_again(
        self, sink: Sink, template: Template
    ) -> None:
        """The usual way to a duplicate."""
        batch = batch_of(template, 6)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.FORGET)
            assert await error_of(adapter, batch, deadline_s=2) is not None
            await sink.behave(Behaviour.WORK)
            await offer(adapter, batch)
            await self.has_at_least_once(sink, batch)
            self.needs(Feature.IDENTITY)
            await self.tells(sink, batch)

    async def test_nothing_is_lost_and_nothing_invented_whatever_the_sink_does(
        self, sink: Sink, template: Template
    ) -> None:
        """Through the real delivery: the sink fails in every way it can, and in the end has every row."""
        batches = [batch_of(template, 11, sequence=at) for at in range(1, 9)]
        moods = [one for one in (Behaviour.BUSY, Behaviour.FORGET, Behaviour.UNREACHABLE) if one not in self.cannot]
        journal = FakeJournal()
        async with self.entered(sink) as adapter:
            delivery = Delivery("contract", adapter, journal, SelfMetrics(), _QUICK)
            task = asyncio.create_task(delivery.run())
            for batch, mood in zip(batches, [None, *moods] * len(batches), strict=False):
                await sink.behave(mood or Behaviour.WORK)
                await journal.append([batch])
                await asyncio.sleep(0.01)
            await sink.behave(Behaviour.WORK)
            await within(lambda: task.done() or not journal.pending_rows("contract"))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if Behaviour.FORGET in self.cannot and Behaviour.UNREACHABLE in self.cannot:
            await self.has(sink, *batches)
        await self.has_at_least_once(sink, *batches)
        account = delivery.account()
        assert (account.delivered, account.unaccounted) == (sum(len(batch.rows) for batch in batches), 0)
