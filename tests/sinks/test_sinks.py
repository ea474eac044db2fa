"""What we tell a mesh to send is what we read; and a real Envoy takes it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry.config import AccessLogSettings
from telemetry.sinks.consul import consul
from telemetry.sinks.envoy import envoy
from telemetry.sinks.istio import istio
from telemetry.sinks.sink import Sink

Json = dict[str, Any]

WANTED = AccessLogSettings(
    only_named=True, request_headers=(":method", "x-tenant"), response_headers=("grpc-status", "x-a"),
    filter_state=("peer's key: #1",),
)  # fmt: skip
BY_ADDRESS = Sink.at("10.0.0.5:9901", WANTED)
BY_IPV6 = Sink.at("[fd00::5]:9901", WANTED)
BY_NAME = Sink.at("telemetry.mesh.svc.cluster.local:9901", WANTED)
WITH_TLS = Sink.at("telemetry.example.org:9901", WANTED, tls=True)
NODE = {"id": "x", "cluster": "y"}
SINKS = [BY_ADDRESS, BY_IPV6, BY_NAME, WITH_TLS]


@pytest.mark.parametrize("address", ["", "x", "x:0", "x:65536", "a b:1", "[x]:1", "fd00::5:1", "x\n:1", "-x:1", ":1"])
def test_an_address_that_no_envoy_could_use_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must|only"):
        Sink.at(address, WANTED)


def test_envoy_logs_everything_that_we_read() -> None:
    http, tcp, *_ = yaml.safe_load_all(envoy(BY_ADDRESS))
    config = http["access_log"][0]["typed_config"]
    assert config["additional_request_headers_to_log"] == [":method", "x-tenant"]
    assert config["additional_response_headers_to_log"] == ["grpc-status", "x-a"]
    assert config["additional_response_trailers_to_log"] == ["grpc-status"]
    for logger in (config, tcp["access_log"][0]["typed_config"]):
        assert logger["common_config"]["filter_state_objects_to_log"] == ["peer's key: #1"]


def test_istio_logs_everything_that_we_read() -> None:
    mesh, telemetry, _ = yaml.safe_load_all(istio(BY_NAME))
    providers = {provider["name"]: provider for provider in mesh["meshConfig"]["extensionProviders"]}
    http = providers["mesh-telemetry-http"]["envoyHttpAls"]
    assert (http["service"], http["port"]) == ("telemetry.mesh.svc.cluster.local", 9901)
    assert http["additionalRequestHeadersToLog"] == [":method", "x-tenant"]
    assert http["filterStateObjectsToLog"] == ["peer's key: #1"]
    used = [provider["name"] for provider in telemetry["spec"]["accessLogging"][0]["providers"]]
    assert used == list(providers)


@pytest.mark.parametrize("sink", [BY_ADDRESS, BY_IPV6])
def test_istio_learns_an_address_by_a_service_entry(sink: Sink) -> None:
    entry, mesh, _, _ = yaml.safe_load_all(istio(sink))
    assert entry["spec"]["endpoints"] == [{"address": sink.host}]
    providers = mesh["meshConfig"]["extensionProviders"]
    assert providers[0]["envoyHttpAls"]["service"] in entry["spec"]["hosts"]


def test_istio_sends_its_proxies_metrics_to_us() -> None:
    *_, mesh = yaml.safe_load_all(istio(BY_NAME))
    config = mesh["meshConfig"]["defaultConfig"]
    assert config["envoyMetricsService"] == {"address": "telemetry.mesh.svc.cluster.local:9901"}
    patterns = config["proxyStatsMatcher"]["inclusionRegexps"]
    assert any(
        re.match(pattern, "cluster.outbound|80||a.b.svc.cluster.local.upstream_rq_active") for pattern in patterns
    )


def test_consul_s_text_says_what_it_costs() -> None:
    remarks = "\n".join(line for line in consul(BY_NAME).splitlines() if line.startswith("#"))
    assert "Consul has no setting for Envoy's access log service" in remarks
    assert "Only inbound traffic is reported" in remarks


def heredocs(text: str, key: str) -> Iterator[Json]:
    for body in re.findall(rf"{key} = <<EOF\n(.*?)\nEOF\n", text, re.DOTALL):
        yield json.loads(body)


def bootstrap_of_envoy(sink: Sink) -> Json:
    http, tcp, static, stats = yaml.safe_load_all(envoy(sink))
    filters = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": []},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{filters}.http.router.v3.Router"}}
        ],
        **http,
    }
    proxy = {
        "@type": f"{filters}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "x",
        "cluster": "mesh_telemetry",
        **tcp,
    }
    listeners = [
        {
            "name": f"listener-{number}",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "filter", "typed_config": config}]}],
        }
        for number, config in enumerate((manager, proxy))
    ]
    return {"node": NODE, **stats, "static_resources": {**static, "listeners": listeners}}


def bootstrap_of_consul(sink: Sink) -> Json:
    text = consul(sink)
    (cluster,) = heredocs(text, "envoy_extra_static_clusters_json")
    listeners = list(heredocs(text, "envoy_public_listener_json"))
    assert len(listeners) == 2
    for number, listener in enumerate(listeners):
        listener.pop("@type")
        listener["name"] += str(number)
        listener["address"]["socket_address"].update(address="127.0.0.1", port_value=0)
    (stats,) = heredocs(text, "envoy_extra_stats_sinks_json")
    local = {"name": "local_app", "type": "STATIC", "load_assignment": {"cluster_name": "local_app"}}
    static = {"clusters": [cluster, local], "listeners": listeners}
    return {"node": NODE, "stats_sinks": [stats], "static_resources": static}


@pytest.mark.real
@pytest.mark.parametrize("make", [bootstrap_of_envoy, bootstrap_of_consul])
@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: sink.host)
def test_a_real_envoy_takes_it(make: Any, sink: Sink, envoy_binary: Path, tmp_path: Path) -> None:
    text = json.dumps(make(sink))
    if sink.tls:
        text = text.replace("/etc/envoy/tls", str(tmp_path))
        certificates(tmp_path)
    path = tmp_path / "bootstrap.json"
    path.write_text(text)
    done = subprocess.run(
        [envoy_binary, "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


def certificates(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", folder / "client.key", "-out", folder / "client.pem", "-subj", "/CN=x", "-days", "1"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    (folder / "ca.pem").write_bytes((folder / "client.pem").read_bytes())
