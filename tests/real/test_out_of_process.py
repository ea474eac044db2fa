"""An adapter in another language: the page of Node under docs/examples, run as a program of its own."""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import polars as pl
import pytest

from telemetry.adapters.grpc import Grpc
from telemetry.batch import Batch, Template
from telemetry.demo.processes import Process
from telemetry.errors import Partial, Retry
from telemetry.testing import batch_of
from tests.authority import Authority
from tests.conftest import tool
from tests.real.in_process import mesh_through

pytestmark = pytest.mark.real

COLUMNS = ("request.id", "request.method", "request.path", "response.code")
HTTP = batch_of(Template.LOGENTRY, 40).take(pl.Series([at for at in range(40) if at % 6 != 5]))


@pytest.fixture(autouse=True)
def _node() -> None:
    if shutil.which("node") is None and not os.environ.get("CI"):
        pytest.skip("Node is not installed")


def adapter_in_node(folder: Path, port: int, *tls: Path) -> Process:
    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    host = "localhost" if tls else "127.0.0.1"
    command = (tool("adapter-node"), f"{host}:{port}", *tls)
    return Process("the adapter in Node", command, folder / "node.log", listens)


def handler(folder: Path, port: int, **options) -> Grpc:
    return Grpc(Grpc.Config(address=f"localhost:{port}", options={"file": str(folder / "lines")}, **options))


def lines(folder: Path) -> list[dict]:
    return [orjson.loads(line) for line in (folder / "lines").read_bytes().splitlines()]


def requests(rows: pl.DataFrame) -> Counter:
    return Counter(rows.filter(pl.col("request.method").is_not_null()).select(COLUMNS).rows())


def written(folder: Path) -> Counter:
    return Counter((line["id"], line["method"], line["url"], line["code"]) for line in lines(folder))


@asynccontextmanager
async def both(folder: Path, port: int) -> AsyncIterator[Grpc]:
    async with adapter_in_node(folder, port), handler(folder, port) as adapter:
        yield adapter


async def test_it_has_every_request_of_a_real_mesh_once(
    tmp_path: Path, envoy_binary: Path, free_port: Callable[..., int]
) -> None:
    offered: dict[tuple[int, int], tuple] = {}

    class Noting(Grpc):
        """Notes what it is given: of rows that are refused the others are there, too."""

        async def export(self, batch: Batch) -> None:
            rows = batch.rows.select(COLUMNS).rows()
            offered.update(((batch.sequence, at), row) for at, row in zip(batch.row_numbers, rows, strict=True))
            await super().export(batch)

    port = free_port()
    async with adapter_in_node(tmp_path, port):
        options = {"address": f"127.0.0.1:{port}", "options": {"file": str(tmp_path / "lines")}}
        async with mesh_through(Noting, options, tmp_path):
            pass
    sent = Counter(row for row in offered.values() if row[1] is not None)
    assert sum(sent.values()) > 500
    assert written(tmp_path) == sent
    assert len(offered) > sum(sent.values()), "connections of TCP, which that program refuses"


async def test_rows_that_it_does_not_take_are_named(tmp_path: Path, free_port: Callable[..., int]) -> None:
    batch = batch_of(Template.LOGENTRY, 12)
    async with both(tmp_path, free_port()) as adapter:
        with pytest.raises(Partial) as caught:
            await adapter.export(batch)
    assert caught.value.rejected == dict.fromkeys((5, 11), "not an HTTP request")
    assert written(tmp_path) == requests(batch.rows)


async def test_a_batch_that_comes_again_is_written_once(tmp_path: Path, free_port: Callable[..., int]) -> None:
    async with both(tmp_path, free_port()) as adapter:
        for batch in (HTTP, HTTP, HTTP.slice(3, 9)):
            await adapter.export(batch)
    assert written(tmp_path) == requests(HTTP.rows)


async def test_the_program_may_come_late_and_go_and_come_again(tmp_path: Path, free_port: Callable[..., int]) -> None:
    port = free_port()
    async with handler(tmp_path, port) as adapter:
        with pytest.raises(Retry, match="UNAVAILABLE"):
            await adapter.export(HTTP)
        async with adapter_in_node(tmp_path, port):
            await adapter.export(HTTP.slice(0, 10))
        with pytest.raises(Retry):
            await adapter.export(HTTP.slice(10, 20))
        async with adapter_in_node(tmp_path, port):
            await adapter.export(HTTP.slice(10, 20))
    assert written(tmp_path) == requests(HTTP.rows.head(30))


async def test_it_finds_the_faults_of_its_options(tmp_path: Path, free_port: Callable[..., int]) -> None:
    port = free_port()
    async with adapter_in_node(tmp_path, port):
        config = Grpc.Config(address=f"127.0.0.1:{port}", options={"fiel": "x"})
        async with Grpc(config) as adapter:
            with pytest.raises(Retry, match="fiel: there is no such option; file: must be the name of a file"):
                await adapter.export(HTTP)


async def test_by_mutual_tls(tmp_path: Path, free_port: Callable[..., int]) -> None:
    authority, port = Authority(tmp_path), free_port()
    for name in ("program", "telemetry"):
        authority.issue(name)
    tls = [tmp_path / name for name in ("ca.pem", "program.pem", "program.key")]
    client = {"client_certificate": tmp_path / "telemetry.pem", "client_key": tmp_path / "telemetry.key"}
    async with adapter_in_node(tmp_path, port, *tls):
        async with handler(tmp_path, port, certificate=tmp_path / "ca.pem", **client) as adapter:
            await adapter.export(HTTP)
        async with handler(tmp_path, port, certificate=tmp_path / "ca.pem") as without_certificate:
            with pytest.raises(Retry):
                await without_certificate.export(HTTP)
    assert written(tmp_path) == requests(HTTP.rows)
