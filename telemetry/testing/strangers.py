"""What every adapter does with the texts that strangers put into requests and names."""

from telemetry.batch import Template
from telemetry.errors import ExportError, Partial, Rejected
from telemetry.testing.batches import batch_of
from telemetry.testing.hostile import hostile, hostile_names, megabytes
from telemetry.testing.sink import Feature, Sink
from telemetry.testing.subject import Subject, error_of, offer

__all__ = ["Strangers"]


class Strangers(Subject):
    """Text is data: it never becomes a line, a field, a path or a command, and never stops the flow."""

    async def test_hostile_text_arrives_as_it_is(self, sink: Sink, template: Template) -> None:
        """In every column and map at once, the marks by which the sink tells its rows included."""
        batch, after = hostile(template), batch_of(template, sequence=2)
        async with self.entered(sink) as adapter:
            for one in (batch, after):
                await offer(adapter, one)
            await self.has(sink, batch, after)

    async def test_a_text_of_a_megabyte_arrives_or_is_refused_for_good(self, sink: Sink, template: Template) -> None:
        """Where it is declared that it can't be taken: an error that ends, and the other rows go on."""
        batch, after = megabytes(template), batch_of(template, sequence=2)
        async with self.entered(sink) as adapter:
            if Feature.MEGABYTES in self.cannot:
                error = await error_of(adapter, batch.slice(1, 1))
                assert isinstance(error, Rejected | Partial), repr(error)
                assert not isinstance(error, Partial) or list(error.rejected) == [0]
                assert len(str(error)) < 2000
                await self.has(sink)
            else:
                await offer(adapter, batch)
                await self.has(sink, batch)
            await offer(adapter, after)

    async def test_hostile_names_of_metrics_and_labels_do_no_harm(self, sink: Sink) -> None:
        """Taken, cleaned or rejected, never retried for ever; nothing else is disturbed."""
        if Template.METRIC not in self.adapter_class.accepts:
            return
        after = batch_of(Template.METRIC, sequence=1000)
        async with self.entered(sink) as adapter:
            for batch in hostile_names():
                error = await error_of(adapter, batch)
                assert error is None or isinstance(error, ExportError), repr(error)
                assert error is None or isinstance(error, Rejected | Partial), repr(error)
            await offer(adapter, after)
            assert set(await sink.taken()) >= {f"1000-{row}" for row in range(len(after.rows))}
