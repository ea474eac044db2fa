"""One real Envoy that reports to a service, writes its own file in its default format, and answers itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson

from telemetry.demo.envoy.access_logs import AccessLogs
from telemetry.demo.envoy.clusters import als_cluster
from telemetry.demo.envoy.typed import Json, named, socket_address
from telemetry.demo.processes import Process, answers

HOST = "127.0.0.1"


@asynccontextmanager
async def one_envoy(binary: Path, folder: Path, als_port: int, ports: tuple[int, int, int]) -> AsyncIterator[str]:
    """Gives its URL; `file.log` in the folder has a line for each request, as Envoy writes it by default."""
    file = folder / "envoy.json"
    (folder / "file.log").touch()
    file.write_bytes(orjson.dumps(_bootstrap(folder / "file.log", als_port, ports)))
    command = (
        binary, "--config-path", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning",
        "--file-flush-interval-msec", "20",
    )  # fmt: skip
    async with httpx.AsyncClient(timeout=2) as probe:
        ready = f"http://{HOST}:{ports[2]}/ready"
        async with Process("one Envoy", command, file.with_suffix(".log"), lambda: answers(probe, ready)):
            yield f"http://{HOST}:{ports[0]}"


def _bootstrap(log: Path, als_port: int, ports: tuple[int, int, int]) -> Json:
    front, back, admin = ports
    by_default = named("envoy.access_loggers.file", "extensions.access_loggers.file.v3.FileAccessLog", path=str(log))
    logs = [*AccessLogs(None, 0.05).http("source"), by_default]
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 201, "body": {"inline_string": "done"}}}
    return {
        "node": {"id": "one-1", "cluster": "one"},
        "admin": {"address": socket_address(HOST, admin)},
        "static_resources": {
            "listeners": [
                _listener("front", front, logs, {"match": {"prefix": "/"}, "route": {"cluster": "back"}}),
                _listener("back", back, [], answer),
            ],
            "clusters": [_cluster("back", back), als_cluster(HOST, als_port)],
        },
    }


def _listener(name: str, port: int, logs: list[Json], route: Json) -> Json:
    manager = named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        access_log=logs,
        route_config={"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        http_filters=[named("router", "extensions.filters.http.router.v3.Router")],
    )
    return {"name": name, "address": socket_address(HOST, port), "filter_chains": [{"filters": [manager]}]}


def _cluster(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": socket_address(HOST, port)}}
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}
