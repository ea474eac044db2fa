"""A processor that fails costs its own work only; what conceals is never passed by."""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl
import pytest
from structlog.testing import capture_logs

from telemetry import native
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import node_of
from telemetry.pipeline import END_NS, Pipeline, Wanted
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES, Contexts
from telemetry.processors.normalise import Normalise
from telemetry.receivers.coalesce import Chunk
from telemetry.selfmetrics import SelfMetrics
from tests.wire import NOW_NS, connection, message, node


class Broken:
    """Fails at everything."""

    reads: frozenset[str] = frozenset()

    def process(self, batch: Batch) -> Iterable[Batch]:
        yield batch
        raise ValueError("can't do it")

    def flush(self, now_ns: int) -> Iterable[Batch]:
        raise ValueError("can't do that either")


class Closed(Broken):
    fails_closed = True


class Holding:
    """Gives at the end what has passed."""

    reads: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.held: list[Batch] = []

    def process(self, batch: Batch) -> Iterable[Batch]:
        self.held.append(batch)
        return ()

    def flush(self, now_ns: int) -> Iterable[Batch]:
        return self.held


class Renaming:
    """Calls everything differently, row by row."""

    reads: frozenset[str] = frozenset()

    def process(self, batch: Batch) -> Iterable[Batch]:
        names = pl.int_range(len(batch.rows), eager=True).cast(pl.String).alias("source.app")
        yield replace(batch, rows=batch.rows.with_columns(names))

    def flush(self, now_ns: int) -> Iterable[Batch]:
        return ()


class Upper(Renaming):
    """Writes a column that follows from the key, each value by itself."""

    keeps_context = True

    def process(self, batch: Batch) -> Iterable[Batch]:
        yield replace(batch, rows=batch.rows.with_columns(pl.col("context.log_name").str.to_uppercase()))


def normaliser() -> Normalise:
    addresses = Addresses()
    return Normalise(Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1), SCHEMAS[Template.LOGENTRY])


def pipeline(metrics: SelfMetrics, *processors, normalise: Normalise | None = None) -> Pipeline:
    every = {"templates": [Template.LOGENTRY], "receiver": "me", "epoch": 1}
    return Pipeline(normalise or normaliser(), processors, Wanted(), metrics, **every)


def chunk() -> Chunk:
    raw = message(connection(3, stream_id="a"), sender=node())
    identifier, entries = native.inspect(raw)
    return Chunk([raw], [0], [node_of(identifier)], [entries], NOW_NS)


def failures(metrics: SelfMetrics, name: str) -> tuple[float, float]:
    samples = ("telemetry_processor_failures_total", "telemetry_processor_failed_rows_total")
    return tuple(metrics.registry.get_sample_value(one, {"processor": name}) for one in samples)


def test_the_batch_goes_on_once_and_is_not_taken_again_by_those_before() -> None:
    metrics = SelfMetrics()
    one = pipeline(metrics, Connections(started_ns=0), Broken())
    with capture_logs() as logged:
        (batch,) = one.run(chunk())
        one.run(chunk())
    assert batch.rows["connection.opened"].to_list() == [True]
    assert failures(metrics, "broken") == (2, 2)
    assert [line["processor"] for line in logged] == ["broken"], "each kind of failure is said once"


def test_what_conceals_takes_its_batch_with_it() -> None:
    metrics = SelfMetrics()
    assert pipeline(metrics, Closed()).run(chunk()) == []
    assert failures(metrics, "closed") == (1, 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_flush_that_fails_costs_nobody_elses(first: bool) -> None:
    metrics, holding = SelfMetrics(), Holding()
    others = [Broken(), holding] if first else [holding, Broken()]
    one = pipeline(metrics, *others)
    assert one.run(chunk()) == []
    assert [len(batch.rows) for batch in one.flush(END_NS)] == [1]


def columns_by_context(batches: Iterable[Batch]) -> list[frozenset[str]]:
    return [batch.by_context.columns if batch.by_context else frozenset() for batch in batches]


NONE = [frozenset[str]()]


def test_what_follows_from_the_key_is_told_as_long_as_it_does() -> None:
    [told] = columns_by_context(pipeline(SelfMetrics(), Upper()).run(chunk()))
    assert told > set(CONTEXT_ATTRIBUTES)
    assert columns_by_context(pipeline(SelfMetrics(), Renaming()).run(chunk())) == NONE
    assert columns_by_context(pipeline(SelfMetrics(), Broken()).run(chunk())) == NONE
    late = pipeline(SelfMetrics(), Holding())
    late.run(chunk())
    assert columns_by_context(late.flush(END_NS)) == NONE


def test_pipelines_do_not_share_what_slots_mean_even_if_they_normalise_alike() -> None:
    normalise, came = normaliser(), chunk()
    one, other = (pipeline(SelfMetrics(), Upper(), normalise=normalise) for _ in range(2))
    first, second, third = (each.run(came)[0].by_context for each in (one, one, other))
    assert first.origin == second.origin != third.origin
    assert first.slots.tolist() == second.slots.tolist()
