"""A processor that fails costs its own work only; what conceals is never passed by."""

from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from telemetry import native
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import node_of
from telemetry.pipeline import END_NS, Pipeline, Wanted
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import Contexts
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


def pipeline(metrics: SelfMetrics, *processors) -> Pipeline:
    addresses = Addresses()
    contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1)
    every = {"templates": [Template.LOGENTRY], "receiver": "me", "epoch": 1}
    return Pipeline(Normalise(contexts, SCHEMAS[Template.LOGENTRY]), processors, Wanted(), metrics, **every)


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
