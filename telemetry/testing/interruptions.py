"""What every adapter does when it is cancelled or closed."""

import asyncio

import pytest

from telemetry.batch import Template
from telemetry.testing.batches import batch_of
from telemetry.testing.sink import Behaviour, Sink
from telemetry.testing.subject import PATIENCE_S, Subject, error_of, offer, within

__all__ = ["Interruptions"]


class Interruptions(Subject):
    """Cancelling is obeyed, closing can be repeated, and nothing is left behind."""

    @pytest.mark.parametrize("turns", [1, 3, 30])
    async def test_an_export_that_is_cancelled_can_be_made_again(
        self, sink: Sink, template: Template, turns: int
    ) -> None:
        """Cancelled after so many turns of the event loop: the same adapter takes the same batch then."""
        batch = batch_of(template)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.SLOW)
            task = asyncio.create_task(adapter.export(batch))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(task, return_exceptions=True)
            await sink.behave(Behaviour.WORK)
            await offer(adapter, batch)
            await self.has_at_least_once(sink, batch)

    async def test_closing_twice_is_closing_once(self, sink: Sink, template: Template) -> None:
        """The second time nothing happens."""
        batch = batch_of(template)
        async with self.entered(sink) as adapter:
            await offer(adapter, batch)
            await adapter.__aexit__(None, None, None)
        await self.has(sink, batch)

    async def test_closing_without_an_export_is_no_trouble(self, sink: Sink) -> None:
        """A handler may be taken away before its first batch."""
        async with self.entered(sink):
            pass
        await self.has(sink)

    async def test_closing_does_not_wait_for_a_hung_sink(self, sink: Sink, template: Template) -> None:
        """`__aexit__` is bounded, whatever the other end does."""
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.HANG)
            assert await error_of(adapter, batch_of(template), deadline_s=0.2) is not None
        await sink.behave(Behaviour.WORK)

    async def test_no_task_is_left_behind(self, sink: Sink, template: Template) -> None:
        """What an adapter starts ends with it."""
        before = asyncio.all_tasks()
        async with self.entered(sink) as adapter:
            await offer(adapter, batch_of(template))
        await within(lambda: asyncio.all_tasks() <= before, 2.0)

    async def test_a_second_adapter_can_take_the_first_ones_place(self, sink: Sink, template: Template) -> None:
        """A reload closes one and opens another with the same settings."""
        batches = [batch_of(template, sequence=at) for at in (1, 2)]
        for batch in batches:
            async with self.entered(sink) as adapter:
                await offer(adapter, batch)
        await self.has_at_least_once(sink, *batches)
