"""Processors of others: what they make is looked at before anything of ours relies on it."""

from collections.abc import Collection, Iterable, Iterator

from telemetry.batch import Batch, fault_of
from telemetry.plugin import Processor

__all__ = ["Checked"]


class Checked:
    """A processor whose batches have the columns and dtypes of their template. Raises ValueError where one has not.

    Whatever it says of itself, nothing is taken for known of rows that it has made (Batch.by_context).
    """

    def __init__(self, name: str, processor: Processor) -> None:
        self.name = name
        self.fails_closed = bool(getattr(processor, "fails_closed", False))
        self._processor = processor

    @property
    def reads(self) -> Collection[str]:
        """What it reads."""
        return self._processor.reads

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give what it makes of the batch."""
        return self._right(self._processor.process(batch), batch)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give what has become due in it."""
        return self._right(self._processor.flush(now_ns))

    def _right(self, made: Iterable[Batch], given: Batch | None = None) -> Iterator[Batch]:
        for batch in made:
            passed = given is not None and batch.rows is given.rows
            if not passed and (fault := fault_of(batch)):
                raise ValueError(f"processor {self.name}: {fault}")
            yield batch
