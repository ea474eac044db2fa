"""What a configuration makes of the service, where it is not what the one before made."""

import time
from contextlib import AbstractAsyncContextManager
from functools import partial

import polars as pl
import pytest
from pydantic import BaseModel

from telemetry.adapters.prometheus import Prometheus
from telemetry.assembly import Assembly
from telemetry.batch import Batch, Template
from telemetry.composition import Composition
from telemetry.config import load
from telemetry.service import Service
from tests.edges.rows import hop, hops
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
