"""The processors, in order: a chunk of messages in, numbered batches out."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from telemetry import native
from telemetry.batch import Batch, Template
from telemetry.boundary import Failures, boundary
from telemetry.columns import Columns, split
from telemetry.plugin import Processor
from telemetry.processors.normalise import Normalise
from telemetry.receivers.coalesce import Chunk
from telemetry.selfmetrics import SelfMetrics

__all__ = ["END_NS", "Pipeline", "Wanted"]

END_NS = 2**63 - 1
"""The time that no window outlasts: a flush by then leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which headers and filter-state keys the decoder makes columns of."""

    request_headers: Sequence[str] = ()
    response_headers: Sequence[str] = ()
    response_trailers: Sequence[str] = ()
    filter_state: Sequence[str] = ()


class Pipeline:
    """Decodes, normalises, and hands through the processors. For one thread.

    A processor that fails costs its own work only: the batch goes on without it, and is counted. One that has
    `fails_closed`, as redaction has, takes its batch with it.

    Batch.by_context holds for what a processor changes only where it has `keeps_context`: it writes no column that
    follows from context.key, or makes the same of the same value, always.

    What nobody wants (`templates`: what the handlers accept) is dropped at the end, uncounted: it was never offered.
    `numbers` gives batches their sequence: who takes another's place goes on with the other's.
    """

    def __init__(
        self,
        normalise: Normalise,
        processors: Sequence[Processor],
        wanted: Wanted,
        metrics: SelfMetrics,
        *,
        templates: Collection[Template],
        receiver: str,
        epoch: int,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._normalise = normalise
        self._processors = tuple(processors)
        self._wanted = wanted
        self._metrics = metrics
        self._templates = frozenset(templates)
        self._receiver = receiver
        self._epoch = epoch
        self._numbers = count(1) if numbers is None else numbers
        self._failures = Failures()
        self._origin = object()

    def run(self, chunk: Chunk) -> list[Batch]:
        """Give the batches that came of the chunk."""
        columns = self._decode(chunk)
        if columns is None:
            return []
        with self._metrics.stage("normalise"):
            rows, known = self._normalise.entries(columns, chunk.distinct, chunk.received_ns)
        # What processors make of a slot is their own: those of another pipeline make something else of it.
        known = replace(known, origin=(self._origin, known.origin))
        first = Batch(Template.LOGENTRY, rows, self._receiver, self._epoch, 0, by_context=known)
        return self._number(self._through([first]))

    def flush(self, now_ns: int) -> list[Batch]:
        """Give what has become due in the processors."""
        return self._flush(now_ns, self._processors)

    def retire(self, successor: "Pipeline") -> list[Batch]:
        """Give what those processors still hold that the successor does not go on with. The last call."""
        return self._flush(END_NS, [one for one in self._processors if one not in successor._processors])

    def _flush(self, now_ns: int, processors: Collection[Processor]) -> list[Batch]:
        batches: list[Batch] = []
        for at, processor in enumerate(self._processors):
            if processor in processors:
                batches += self._through(self._flushed(processor, now_ns), start=at + 1)
        return self._number(batches)

    def _flushed(self, processor: Processor, now_ns: int) -> list[Batch]:
        with boundary() as outcome:
            return [_unsure(batch) for batch in processor.flush(now_ns)]
        self._failed(processor, outcome.error, 0)
        return []

    def _decode(self, chunk: Chunk) -> Columns | None:
        with self._metrics.stage("decode"):
            decoded = native.decode_access_logs(
                chunk.messages,
                chunk.nodes,
                request_headers=self._wanted.request_headers,
                response_headers=self._wanted.response_headers,
                response_trailers=self._wanted.response_trailers,
                filter_state=self._wanted.filter_state,
            )
            for reason, count in decoded.rejected.items():
                self._metrics.rejected.labels(reason).inc(count)
            for reason, count in decoded.repaired.items():
                self._metrics.repaired.labels(reason).inc(count)
            rows = decoded.rows
            self._metrics.entries.inc(rows.num_rows)
            self._metrics.chunk_entries.observe(rows.num_rows)
            return split(rows) if rows.num_rows else None

    def _through(self, batches: Iterable[Batch], start: int = 0) -> Iterable[Batch]:
        for processor in self._processors[start:]:
            with self._metrics.stage(_name(processor)):
                batches = [result for batch in batches for result in self._processed(processor, batch)]
        return batches

    def _processed(self, processor: Processor, batch: Batch) -> Sequence[Batch]:
        """Give what the processor makes of the batch; where it fails, the batch itself.

        To run it again, with less, would have those before it and itself take the same rows twice.
        """
        with boundary() as outcome:
            return [one if _keeps(processor, batch, one) else _unsure(one) for one in processor.process(batch)]
        self._failed(processor, outcome.error, len(batch.rows))
        # What conceals must not be passed by.
        return () if getattr(processor, "fails_closed", False) else (_unsure(batch),)

    def _failed(self, processor: Processor, error: Exception | None, rows: int) -> None:
        name = _name(processor)
        self._metrics.processor_failures.labels(name).inc()
        self._metrics.processor_failed_rows.labels(name).inc(rows)
        if error is not None:
            self._failures.say("a processor has failed", error, processor=name, rows=rows)

    def _number(self, batches: Iterable[Batch]) -> list[Batch]:
        return list(self._numbered(batches))

    def _numbered(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            if batch.template in self._templates and len(batch.rows):
                yield replace(batch, sequence=next(self._numbers))


def _name(processor: Processor) -> str:
    name: str = getattr(processor, "name", None) or type(processor).__name__.lower()
    return name


def _keeps(processor: Processor, batch: Batch, result: Batch) -> bool:
    """Whether what follows from context.key in the batch does so in its successor."""
    successor = getattr(processor, "keeps_context", False) and result.template is batch.template
    return successor or result.rows is batch.rows


def _unsure(batch: Batch) -> Batch:
    """Give the batch without the promise that came with the one that it was made of."""
    return replace(batch, by_context=None) if batch.by_context else batch
