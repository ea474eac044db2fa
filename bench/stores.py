"""The adapters' benchmark against a real Kafka broker and a real InfluxDB, each a process of its own."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx

from telemetry.adapters.influxdb import InfluxDB
from telemetry.adapters.kafka import Kafka
from telemetry.demo.processes import Process, answers
from telemetry.plugin import Adapter
from tests.conftest import tool
from tests.real.kafka_broker import free_ports, running_broker

Opened = Callable[[Path, Any], AbstractAsyncContextManager[Adapter]]


class _Registry(BaseHTTPRequestHandler):
    """Gives every schema one number."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"id": 1}')

    def log_message(self, *_: object) -> None:
        pass


def kafka(*, registry: bool = False, **options: str) -> Opened:
    @asynccontextmanager
    async def opened(folder: Path, _: object) -> AsyncIterator[Adapter]:
        server = HTTPServer(("127.0.0.1", 0), _Registry)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        more = {"schema_registry": {"url": f"http://127.0.0.1:{server.server_port}"}} if registry else {}
        with running_broker(folder) as broker:
            config = Kafka.Config.model_validate({"bootstrap_servers": broker.address, **options, **more})
            async with Kafka(config) as adapter:
                yield adapter
        server.shutdown()

    return opened


@asynccontextmanager
async def influxdb(folder: Path, _: object) -> AsyncIterator[Adapter]:
    port, rpc = free_ports(2)
    config, url = folder / "influxdb.conf", f"http://127.0.0.1:{port}"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc}"\n[meta]\ndir = "{folder}/meta"\n[data]\n'
        f'dir = "{folder}/data"\nwal-dir = "{folder}/wal"\n[monitor]\nstore-enabled = false\n[http]\n'
        f'bind-address = "127.0.0.1:{port}"\nlog-enabled = false\n'
    )
    command = [tool("influxd"), "run", "-config", config]
    async with httpx.AsyncClient() as client:
        databases = f"{url}/query?q=SHOW+DATABASES"
        async with Process("influxd", command, folder / "log", lambda: answers(client, databases)):
            (await client.post(f"{url}/query", data={"q": "CREATE DATABASE mesh"})).raise_for_status()
            async with InfluxDB(InfluxDB.Config(url=url, api="v1", database="mesh")) as adapter:
                yield adapter
