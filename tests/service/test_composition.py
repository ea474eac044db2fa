"""What a configuration makes of the service, where it is not what the one before made."""

import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from pydantic import BaseModel

from telemetry.adapters.prometheus import Prometheus
from telemetry.assembly import Assembly
from telemetry.batch import Batch, Template
from telemetry.composition import Composition
from telemetry.config import Settings, load
from telemetry.node import Node
from telemetry.pipeline import END_NS
from telemetry.receivers.coalesce import Chunk
from telemetry.service import Service
from tests.edges.rows import edge, edges, hop, hops
from tests.rows import logentries
from tests.service.running import Envoy, settings, until
from tests.wire import inbound, message, node

_HOUR_NS = 3_600_000_000_000


class Hopping(AbstractAsyncContextManager["Hopping"]):
    """Takes no entries, but what is made of them."""

    class Config(BaseModel):
        pass

    accepts = frozenset({Template.HOP, Template.METRIC})

    def __init__(self, config: Config) -> None:
        self.batches: list[Batch] = []

    async def __aexit__(self, *_: object) -> None:
        pass

    async def export(self, batch: Batch) -> None:
        self.batches.append(batch)


async def test_edges_that_a_reload_makes_anew_begin_then_and_not_in_the_past():
    assembly = Assembly(settings(edges={"enabled": True}))
    assembly.started_ns -= _HOUR_NS
    before = Composition(assembly, settings(edges={"enabled": True}))
    after = Composition(assembly, settings(edges={"enabled": True, "interval_s": 1.0}), before)
    assert after._edges is not before._edges
    now_ns = time.time_ns()
    edges = after._edges.processors[0]
    list(edges.process(hops(hop())))
    (batch,) = edges.flush(now_ns + 2_000_000_000)
    assert now_ns - 1_000_000_000 < batch.rows["start"].to_physical()[0] <= now_ns


@pytest.mark.parametrize("entries", ["", ", page: {adapter: prometheus}"])
async def test_who_takes_hops_only_gets_no_more_than_redaction_leaves(tmp_path, entries):
    file = tmp_path / "telemetry.yaml"
    file.write_text(
        f"""
receiver: {{grpc: {{address: "127.0.0.1:0"}}, coalesce: {{max_delay: 10ms}}}}
http: {{address: "127.0.0.1:0"}}
edges: {{enabled: false}}
hops: {{window: 100ms, grace: 0s}}
redaction: {{allow: [], deny: {{trace.id: drop}}}}
handlers: {{hopping: {{adapter: hopping}}{entries}}}
"""
    )
    read = partial(load, installed={"hopping": Hopping, "prometheus": Prometheus})
    async with Service(read(file), file, read) as service:
        envoy, entry = Envoy(service.grpc_port), inbound()
        entry.request.request_id = "alice@example.com"
        entry.request.request_headers["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        await envoy.send(message(entry, sender=node()))
        batches = service.deliveries[0].adapter.batches
        await until(lambda: any(one.template is Template.HOP for one in batches))
        await envoy.end()
    (row,) = next(one.rows for one in batches if one.template is Template.HOP).iter_rows(named=True)
    assert (row["request.id"], row["trace.id"]) == (None, None)
    told = [one.rows["exemplar"].drop_nulls() for one in batches if one.template is Template.METRIC]
    assert pl.concat(told).is_empty()


def with_edges(folder: Path, **more: object) -> Settings:
    return settings(edges={"path": folder / "edges.db", "events": {"warm_up_s": 0.0}, **more})


def events_of(composition: Composition, rows: Batch) -> list[str]:
    """What the events' processor, the last one of edges, tells of these."""
    told: Iterable[Batch] = composition._edges.processors[-1].process(rows)
    return [name for one in told if one.template is Template.LOGENTRY for name in one.rows["event.name"]]


async def test_a_reload_that_changes_edges_makes_no_old_edge_new(tmp_path):
    assembly = Assembly(with_edges(tmp_path))
    async with assembly.edges:
        before = Composition(assembly, with_edges(tmp_path))
        now_ns = time.time_ns()
        assert events_of(before, edges(edge(last_seen=now_ns))) == ["edge_appeared", "version_appeared"]
        after = Composition(assembly, with_edges(tmp_path, interval_s=1.0), before)
        assert after._edges is not before._edges
        # The store has not been told of it yet: only the memory knows.
        assert events_of(after, edges(edge(last_seen=now_ns), edge("cron", last_seen=now_ns))) == ["edge_appeared"]


def chunk(*ids: str) -> Chunk:
    entries = message(*(inbound(stream_id=one) for one in ids))
    return Chunk([entries], [0], [Node("sidecar~a", "", {}, "", "")], [len(ids)], time.time_ns())


def metrics_of(batches: Iterable[Batch]) -> set[str]:
    return {name for one in batches if one.template is Template.METRIC for name in one.rows["metric"]}


async def test_a_chunk_that_is_on_its_way_when_metrics_change_counts_in_those_that_it_set_out_with():
    quiet = {"edges": {"enabled": False}, "hops": {"enabled": False}}
    assembly = Assembly(settings(**quiet))
    before = Composition(assembly, settings(**quiet))
    # Nobody else reads this attribute, so the pipeline before made no column of it.
    mine = [{"name": "mine_total", "dimensions": {"way": "route.name"}}]
    after = Composition(assembly, settings(metrics=mine, **quiet), before)
    old = before.pipeline.run(chunk("a"))
    new = after.pipeline.run(chunk("b"))
    assert "istio_requests_total" in metrics_of(old)
    assert metrics_of(new) - metrics_of(old) == {"mine_total"}
    failures = assembly.metrics.registry.get_sample_value
    assert failures("telemetry_processor_failures_total", {"processor": "signals"}) is None
    ends, starts = (one.rows[column][0] for one, column in ((old[0], "time"), (new[0], "start")))
    assert ends == starts


@pytest.mark.parametrize("later", [{"grace": "100ms"}, {"enabled": False}])
def test_what_the_retired_count_last_is_counted_with_the_rest(later):
    assembly = Assembly(settings())
    before = Composition(assembly, settings())
    before.pipeline.run(chunk("a"))
    before.measure()
    after = Composition(assembly, settings(hops=later), before)
    assert after._hops is not before._hops
    after.pipeline.run(chunk("c"))
    before.pipeline.retire(after.pipeline)
    after.pipeline.flush(END_NS)
    after.measure()
    counted = assembly.metrics.registry.get_sample_value("telemetry_hops_total", {"result": "destination"})
    assert counted == (2 if after._hops else 1)


def test_what_has_not_changed_is_not_made_again():
    assembly = Assembly(settings())
    before = Composition(assembly, settings())
    after = Composition(assembly, settings(outcomes=[{"match": "true", "outcome": "success"}]), before)
    assert (after._signals, after._contexts, after._hops) == (before._signals, before._contexts, before._hops)


def test_a_rate_limit_goes_on_through_a_reload_that_changes_something_else():
    rule = {"name": "some", "handlers": ["page"], "sampling": {"rate_limit": {"rows_per_second": 0.001, "burst": 1}}}
    handlers = {"page": {"adapter": "stdout"}}
    assembly = Assembly(settings())
    before = Composition(assembly, settings(handlers=handlers, rules=[rule]))
    changed = [rule, {"name": "more", "handlers": ["page"], "match": "response.code == 1"}]
    after = Composition(assembly, settings(handlers=handlers, rules=changed), before)
    row = logentries({"response.outcome": "success"})
    chosen = [len(one.outfits["page"].select(row).batch.rows) for one in (before, after, after)]
    assert chosen == [1, 0, 0]
