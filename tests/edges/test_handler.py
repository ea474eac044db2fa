"""The journal feeds the store through a handler like any other: each batch once, through failures and restarts."""

import asyncio
import time
from pathlib import Path

from telemetry.batch import Template
from telemetry.catalog import Catalog
from telemetry.config.edges import EdgeSettings
from telemetry.delivery import Delivery, Terms
from telemetry.edges import EdgeHandler, EdgeStore, Window
from telemetry.journal.memory import MemoryJournal
from telemetry.mesh_api import EdgeWork, edge_memory, edge_store
from telemetry.selfmetrics import SelfMetrics
from tests.edges.rows import edge, edges, hop, hops
from tests.rows import NOW_NS, SECOND_NS


async def requests_in(store: EdgeStore) -> int:
    window = Window(NOW_NS / SECOND_NS - 600, NOW_NS / SECOND_NS + 600)
    return await store.ask(
        lambda reader: int(reader.summed("sums", reader.aligned(window), ["requests"])["requests"].sum())
    )


async def test_what_the_journal_holds_is_delivered_once_and_the_handlers_end_closes_nothing(tmp_path: Path) -> None:
    async with EdgeStore(tmp_path / "edges.db", clock_ns=lambda: NOW_NS) as store:
        journal = MemoryJournal(max_bytes=1 << 24)
        async with EdgeHandler(store) as handler:
            delivery = Delivery("edges", handler, journal, SelfMetrics(), Terms())
            running = asyncio.create_task(delivery.run())
            await journal.append([edges(edge(requests=number), sequence=number) for number in range(1, 6)])
            async with asyncio.timeout(10):
                while delivery.account().pending:
                    await asyncio.sleep(0.01)
            running.cancel()
            assert delivery.account().delivered == 5
        assert await requests_in(store) == 15
        await store.export(edges(edge(requests=5), sequence=5))
        assert await requests_in(store) == 15


async def test_a_restart_tells_nothing_twice(tmp_path: Path) -> None:
    settings = EdgeSettings.model_validate({"path": tmp_path / "edges.db", "events": {"warm_up_s": 0}}, by_name=True)

    async def events_of_a_process() -> int:
        store = edge_store(settings)
        # As the service does it: the processors are made before anything has started.
        work = EdgeWork(settings, store, Catalog(None), seed=1, started_ns=NOW_NS, memory=edge_memory(store, settings))
        async with store:
            batches = [hops(hop(**{"context.time": time.time_ns()}))]
            for processor in work.processors:
                out = [one for batch in batches for one in processor.process(batch)]
                batches = [*out, *processor.flush(NOW_NS + 10 * SECOND_NS)]
            for batch in batches:
                if batch.template is Template.EDGE:
                    await store.export(batch)
            metrics = SelfMetrics()
            work.measure(metrics)
            assert metrics.registry.get_sample_value("telemetry_edges") == 1
            return sum(len(one.rows) for one in batches if one.template is Template.LOGENTRY)

    assert await events_of_a_process() == 2, "an edge and a version"
    assert await events_of_a_process() == 0
