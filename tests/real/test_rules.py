"""A real Envoy's requests by rules: each handler gets what it is to get, and metrics are what was asked for."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid5

import httpx
import orjson
import pytest
import pytest_asyncio
import yaml

from telemetry.batch import Template
from telemetry.config.loading import parse
from telemetry.demo.envoy.typed import Json, named, socket_address
from telemetry.demo.processes import Process, answers
from telemetry.plugin import Adapter
from telemetry.service import Service
from telemetry.sinks.envoy import cluster, http_access_log
from telemetry.sinks.sink import Sink as OurSink
from tests.adapters.fakes import Sink
from tests.service.running import counted, samples, until

pytestmark = pytest.mark.real

PERCENT = 30
SKIPPED = "telemetry_metrics_skipped_values_total"
IDS = [str(uuid5(UUID(int=0), str(number))) for number in range(60)]


class Entries(Sink):
    """Takes entries; found again by the name in its configuration."""

    class Config(Sink.Config):
        name: str

    accepts = frozenset({Template.LOGENTRY})
    made: ClassVar[dict[str, "Entries"]] = {}

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.made[config.name] = self

    def values(self, column: str) -> list[Any]:
        return [value for batch in self.taken for value in batch.rows[column]]


def configuration() -> dict[str, Any]:
    sampled = {"match": "response.code < 600", "sampling": {"percent": PERCENT, "slower_than": "30s"}}
    return {
        "receiver": {
            "grpc": {"address": "127.0.0.1:0"},
            "coalesce": {"max_delay": "10ms"},
            "access_logs": {"request_headers": [":method", "content-type", "x-team"]},
        },
        "http": {"address": "127.0.0.1:0"},
        "handlers": {
            "prometheus": {"adapter": "prometheus"},
            **{name: {"adapter": "entries", "name": name} for name in ("writes", "some", "same", "rest")},
        },
        "rules": [
            {"name": "writes", "match": 'request.method in ["POST"]', "handlers": ["writes"]},
            {"name": "some", "handlers": ["some"], **sampled},
            {"name": "same", "handlers": ["same"], **sampled},
        ],
        "metrics": [
            {"name": "requests_by_team_total", "dimensions": {"team": 'request.headers["x-team"]'}},
            {
                "name": "answer_bytes", "kind": "histogram", "unit": "By", "value": "response.size",
                "dimensions": {"method": "request.method"}, "match": "response.code == 200", "buckets": [1, 5],
            },
            {"name": "odd_total", "value": "0.0 - double(response.size)", "dimensions": {"method": "request.method"}},
        ],
        "standard_metrics": {
            "overrides": [
                {"match": {"metric": "ALL_METRICS"}, "tagOverrides": {"source_principal": {"operation": "REMOVE"}}},
                {"match": {"metric": "REQUEST_COUNT"}, "tagOverrides": {"method": {"value": "request.method"}}},
                {"match": {"metric": "RESPONSE_SIZE"}, "disabled": True},
            ]
        },
    }  # fmt: skip


def bootstrap(service: Service, settings: Any, port: int, admin_port: int) -> Json:
    """One listener that answers by itself; what it logs is what `telemetry generate envoy` prints."""
    sink = OurSink("127.0.0.1", service.grpc_port, settings.receiver.access_logs)
    routes = [
        {"match": {"path": "/bad"}, "direct_response": {"status": 500, "body": {"inline_string": "bad"}}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "good"}}},
    ]
    manager = named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="rules",
        preserve_external_request_id=True,
        access_log=[http_access_log(sink)],
        http_filters=[named("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    )
    manager["typed_config"]["access_log"][0]["typed_config"]["common_config"]["buffer_flush_interval"] = "0.05s"
    return {
        "node": {"id": "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local", "cluster": "web"},
        "admin": {"address": socket_address("127.0.0.1", admin_port)},
        "static_resources": {
            "listeners": [
                {"name": "in", "address": socket_address("127.0.0.1", port), "filter_chains": [{"filters": [manager]}]}
            ],
            "clusters": [cluster(sink)],
        },
    }


async def ask(client: httpx.AsyncClient) -> int:
    """Ask sixty times, now and then badly; and once as a probe. Gives how many entries there will be."""
    for at, request_id in enumerate(IDS):
        headers = {"x-request-id": request_id} | ({"x-team": "blue"} if at % 3 == 0 else {})
        path = "/bad" if at % 20 == 7 else "/"
        await client.request("POST" if at % 4 == 0 else "GET", path, headers=headers)
    await client.get("/", headers={"user-agent": "kube-probe/1.31"})
    return len(IDS) + 1


@pytest_asyncio.fixture
async def asked(envoy_binary: Path, free_port: Callable[[], int], tmp_path: Path) -> AsyncIterator[Service]:
    """Everything asked, told and delivered."""
    from telemetry.adapters.prometheus import Prometheus

    installed: dict[str, type[Adapter]] = {"entries": Entries, "prometheus": Prometheus}
    settings = parse(yaml.safe_dump(configuration()).encode(), "rules", folder=tmp_path, installed=installed)
    async with Service(settings) as service, httpx.AsyncClient() as probe:
        port, admin_port = free_port(), free_port()
        file = tmp_path / "envoy.json"
        file.write_bytes(orjson.dumps(bootstrap(service, settings, port, admin_port)))
        command = (envoy_binary, "--config-path", file, "--concurrency", "1", "--disable-hot-restart")
        ready = f"http://127.0.0.1:{admin_port}/ready"
        async with Process("Envoy", command, tmp_path / "envoy.log", lambda: answers(probe, ready)):
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                entries = await ask(client)
            takers = [delivery for delivery in service.deliveries if delivery.name not in ("prometheus", "edges")]
            accounts = [delivery.account for delivery in takers]
            await until(lambda: all(one().offered == entries and not one().pending for one in accounts))
            yield service
    assert all(delivery.account().unaccounted == 0 for delivery in service.deliveries)


async def test_each_handler_gets_its_own_and_metrics_are_as_asked(asked: Service) -> None:
    writes, some, same, rest = (Entries.made[name] for name in ("writes", "some", "same", "rest"))
    assert writes.values("request.id") == IDS[::4]
    assert set(writes.values("request.method")) == {"POST"}

    # Envoy's own way to sample by request id, and every error.
    drawn = [
        one for at, one in enumerate(IDS) if int(one[:8], 16) % 10_000 < PERCENT * 100 or at % 20 == 7
    ]  # fmt: skip
    known = [one for one in some.values("request.id") if one in IDS]
    assert known == drawn
    assert same.values("request.id") == some.values("request.id")
    assert len(drawn) < len(IDS) / 2

    assert rest.values("request.id") == IDS
    accounts = {delivery.name: delivery.account() for delivery in asked.deliveries}
    assert accounts["writes"].filtered == len(IDS) + 1 - len(IDS[::4])
    assert accounts["rest"].filtered == 1
    assert accounts["some"].sampled_out == len(IDS) + 1 - some.rows

    by_team = {labels["team"]: value for labels, value in await samples(asked, "requests_by_team_total")}
    assert by_team == {"blue": 20, "unknown": 40}
    requests = await samples(asked, "istio_requests_total")
    assert sum(value for _, value in requests) == len(IDS)
    assert {labels["method"]: 0 for labels, _ in requests}.keys() == {"GET", "POST"}
    assert not any("source_principal" in labels for labels, _ in requests)
    assert any("source_workload" in labels for labels, _ in requests)
    assert not await samples(asked, "istio_response_bytes_count")
    # "good" has four bytes: beyond 1, within 5.
    answered = len([at for at in range(60) if at % 20 != 7])
    buckets = await samples(asked, "answer_bytes_bucket")
    await until(lambda: counted(asked, SKIPPED, metric="odd_total", reason="negative") == len(IDS))
    held = {bound: sum(value for labels, value in buckets if float(labels["le"]) == bound) for bound in (1, 5)}
    # Its match is its own: the probe is among them.
    assert held == {1: 0, 5: answered + 1}
