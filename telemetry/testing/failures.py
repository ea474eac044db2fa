"""What every adapter does when its back end doesn't take rows."""

import asyncio

import pytest

from telemetry.batch import Template
from telemetry.errors import ExportError, Partial, Rejected
from telemetry.testing.batches import batch_of, marks
from telemetry.testing.sink import Behaviour, Sink
from telemetry.testing.subject import Subject, error_of, offer

__all__ = ["Failures"]

_TRANSIENT = (Behaviour.UNREACHABLE, Behaviour.BUSY, Behaviour.NONSENSE, Behaviour.HANG)


class Failures(Subject):
    """A lost connection costs no row; what is refused for good is told from what is refused for now."""

    async def test_an_unreachable_sink_does_not_keep_the_service_from_starting(
        self, sink: Sink, template: Template
    ) -> None:
        """Entering succeeds, exports fail, and the sink's coming is enough."""
        batch = batch_of(template)
        await self.behave(sink, Behaviour.UNREACHABLE)
        async with self.entered(sink) as adapter:
            error = await error_of(adapter, batch, deadline_s=2)
            assert error is not None
            assert not isinstance(error, Rejected | Partial)
            await sink.behave(Behaviour.WORK)
            await offer(adapter, batch)
            await self.has(sink, batch)

    @pytest.mark.parametrize("behaviour", _TRANSIENT)
    async def test_what_may_pass_is_never_rejected_and_the_same_batch_works_later(
        self, sink: Sink, template: Template, behaviour: Behaviour
    ) -> None:
        """Any exception but Rejected and Partial, or the deadline: all of them mean that the rows come again."""
        before, batch = batch_of(template), batch_of(template, sequence=2)
        async with self.entered(sink) as adapter:
            await offer(adapter, before)
            await self.behave(sink, behaviour)
            error = await error_of(adapter, batch, deadline_s=0.5 if behaviour is Behaviour.HANG else 5)
            assert error is not None
            assert not isinstance(error, Rejected | Partial), repr(error)
            await sink.behave(Behaviour.WORK)
            await offer(adapter, batch)
            # Who hangs or talks nonsense may have it already.
            await self.has_at_least_once(sink, before, batch)

    async def test_what_the_sink_never_takes_is_rejected_and_the_next_batch_goes_on(
        self, sink: Sink, template: Template
    ) -> None:
        """Rejected, or Partial with every row rejected, and a message that says something."""
        batch, after = batch_of(template), batch_of(template, sequence=2)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.REJECT)
            error = await error_of(adapter, batch)
            assert isinstance(error, Rejected | Partial), repr(error)
            assert str(error).strip()
            if isinstance(error, Partial):
                assert sorted(error.rejected) == list(range(len(batch.rows)))
                assert all(error.rejected.values())
            await sink.behave(Behaviour.WORK)
            await offer(adapter, after)
            await self.has(sink, after)

    async def test_of_a_batch_taken_in_part_exactly_the_rest_is_named(self, sink: Sink, template: Template) -> None:
        """Partial's positions and the sink's rows are the batch, none twice."""
        batch = batch_of(template, 8)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.PARTIAL)
            error = await error_of(adapter, batch)
            assert isinstance(error, Partial), repr(error)
            assert not set(error.retry) & set(error.rejected)
            named = marks(batch)
            left = [named[position] for position in (*error.retry, *error.rejected)]
            assert sorted([*await sink.taken(), *left]) == sorted(named)
            assert left

    async def test_a_slow_sink_does_not_stop_the_event_loop(self, sink: Sink, template: Template) -> None:
        """Others go on while one waits: no call that blocks."""
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        batch = batch_of(template)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.SLOW)
            task = asyncio.create_task(others())
            await offer(adapter, batch)
            task.cancel()
            await self.has(sink, batch)
        assert turns >= 5

    async def test_a_hung_sink_is_left_at_the_deadline(self, sink: Sink, template: Template) -> None:
        """Cancelled, it gives up at once; the next export works."""
        batch, after = batch_of(template), batch_of(template, sequence=2)
        async with self.entered(sink) as adapter:
            await self.behave(sink, Behaviour.HANG)
            async with asyncio.timeout(10):
                error = await error_of(adapter, batch, deadline_s=0.2)
            assert isinstance(error, TimeoutError | ExportError | OSError), repr(error)
            await sink.behave(Behaviour.WORK)
            for one in (batch, after):
                await offer(adapter, one)
            await self.has_at_least_once(sink, batch, after)
