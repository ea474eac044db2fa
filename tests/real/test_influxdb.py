"""A real InfluxDB 1.x: it takes what real Envoys reported, hostile texts too, and gives it back as it was."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import polars as pl
import pytest
import pytest_asyncio

from telemetry.adapters.influxdb import InfluxDB
from telemetry.batch import Template
from telemetry.delivery import Delivery, Patience, Terms
from telemetry.demo.processes import Process, answers
from telemetry.errors import Retry
from telemetry.selfmetrics import SelfMetrics
from telemetry.testing import FakeJournal, batch_of, hostile, marks
from tests.conftest import tool
from tests.real.in_process import Given, mesh_through
from tests.service.running import until

pytestmark = pytest.mark.real

CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""


@pytest_asyncio.fixture
async def influxdb(tmp_path: Path, free_port: Callable[..., int]) -> AsyncIterator[str]:
    port = free_port()
    config = tmp_path / "influxdb.conf"
    config.write_text(CONFIG.format(folder=tmp_path / "influx", port=port, rpc=free_port()))
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient() as client:
        command = (tool("influxd"), "run", "-config", config)
        environment = {"HOME": str(tmp_path)}
        ready = f"{url}/query?q=SHOW+DATABASES"
        log = tmp_path / "log"
        async with Process("influxd", command, log, lambda: answers(client, ready), environment=environment):
            await asked(url, "CREATE DATABASE mesh")
            yield url


async def asked(url: str, query: str) -> list[dict[str, Any]]:
    """The rows of every series, tags among them."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(f"{url}/query", data={"q": query, "db": "mesh", "epoch": "ns"})
    (result,) = answer.raise_for_status().json()["results"]
    assert "error" not in result, result
    return [
        {**one.get("tags", {}), "measurement": one["name"], **dict(zip(one["columns"], row, strict=True))}
        for one in result.get("series", ())
        for row in one["values"]
    ]


async def test_an_influxdb_has_what_real_envoys_reported(tmp_path: Path, influxdb: str, envoy_binary: Path) -> None:
    async with mesh_through(InfluxDB, {"url": influxdb, "api": "v1", "database": "mesh"}, tmp_path) as given:
        pass
    found = {(row["sequence"], row["row"]): row for row in await asked(influxdb, "SELECT * FROM logentry")}
    entries = [
        ((batch.sequence, number), entry)
        for batch in given.of(Template.LOGENTRY)
        for number, entry in zip(batch.row_numbers, batch.rows.iter_rows(named=True), strict=True)
    ]
    assert len(found) == len(entries) > 100
    for identity, entry in entries:
        row = found[identity]
        assert row["request.id"] == entry["request.id"]
        assert row["source.workload.name"] == entry["source.workload.name"]
        assert row["destination.service.name"] == entry["destination.service.name"]
        code = entry["response.code"]
        assert row["response.code"] == (None if code is None else str(code))
        assert row["response.total_size"] == entry["response.total_size"]
    (total,) = await asked(influxdb, "SELECT SUM(value) AS total FROM istio_requests_total")
    assert total["total"] == summed(given, "istio_requests_total", "value") > 100
    (counted,) = await asked(influxdb, "SELECT SUM(le_inf) AS total FROM istio_request_duration_milliseconds")
    assert counted["total"] == summed(given, "istio_request_duration_milliseconds", "count")


def summed(given: Given, metric: str, column: str) -> float:
    batches = given.of(Template.METRIC)
    return sum(batch.rows.filter(pl.col("metric") == metric)[column].sum() for batch in batches)


async def test_hostile_texts_come_back_as_they_were_and_a_row_sent_again_takes_its_own_place(influxdb: str) -> None:
    config = InfluxDB.Config(url=influxdb, api="v1", database="mesh")
    async with InfluxDB(config) as adapter:
        for template in (Template.LOGENTRY, Template.EDGE, Template.LOGENTRY, Template.EDGE):
            await adapter.export(hostile(template))
    batch = hostile(Template.LOGENTRY)
    rows = await asked(influxdb, "SELECT * FROM logentry")
    assert {row["row"]: row["request.id"] for row in rows} == dict(enumerate(marks(batch)))
    assert len(rows) == len(batch.rows)
    tags = {row["row"]: row["destination.workload.name"] for row in rows}
    expected = batch.rows["destination.workload.name"].to_list()
    assert {at: unquote(tag or "") for at, tag in tags.items()} == dict(enumerate(one or "" for one in expected))
    edges = await asked(influxdb, "SELECT * FROM edge")
    assert sorted(unquote(row["source.workload.name"]) for row in edges) == sorted(marks(hostile(Template.EDGE)))


async def test_rows_that_influxdb_never_takes_are_found_and_the_others_are_written(influxdb: str) -> None:
    batch = batch_of(Template.LOGENTRY, 16)
    async with httpx.AsyncClient() as client:
        # A field has one type for ever, within a shard.
        await client.post(f"{influxdb}/write?db=mesh", content='logentry request.attempts="many" 1700001234567000000')
    assert (await asked(influxdb, "SELECT * FROM logentry"))[0]["request.attempts"] == "many"
    unknown = batch.rows["request.attempts"].scatter([3, 8], None)
    mixed = batch.rows.with_columns(unknown)
    journal = FakeJournal()
    async with InfluxDB(InfluxDB.Config(url=influxdb, api="v1", database="mesh")) as adapter:
        delivery = Delivery("influxdb", adapter, journal, SelfMetrics(), Terms(patience=Patience(deadline_s=5.0)))
        task = asyncio.create_task(delivery.run())
        await journal.append([replace(batch, rows=mixed)])
        await until(lambda: not journal.pending_rows("influxdb"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    account = delivery.account()
    assert (account.delivered, account.unaccounted) == (2, 0)
    rows = await asked(influxdb, "SELECT * FROM logentry WHERE row >= 0")
    assert {3, 8} <= {row["row"] for row in rows}


async def test_a_database_that_is_not_there_is_the_operators_to_make(influxdb: str) -> None:
    async with InfluxDB(InfluxDB.Config(url=influxdb, api="v1", database="elsewhere")) as adapter:
        with pytest.raises(Retry, match="has the database or bucket been created"):
            await adapter.export(batch_of(Template.EDGE))
