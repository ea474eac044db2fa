import subprocess
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from telemetry.demo.certificates import issue_certificates
from telemetry.demo.envoy.bootstrap import bootstrap
from telemetry.demo.topology import bookinfo


@pytest.fixture
def bootstraps(topology, tmp_path):
    issued = issue_certificates(topology.workloads, tmp_path, datetime.now(UTC))
    return {
        workload.name: bootstrap(
            topology,
            workload,
            certificates=issued[workload.name],
            als_address=("127.0.0.1", 9901),
            access_log=tmp_path / "access.jsonl",
        )
        for workload in topology.workloads
    }


@pytest.mark.real
@pytest.mark.parametrize("workload", [workload.name for workload in bookinfo().workloads])
def test_envoy_accepts_the_bootstrap(workload, bootstraps, envoy_binary, tmp_path: Path):
    path = tmp_path / "bootstrap.json"
    path.write_bytes(orjson.dumps(bootstraps[workload]))
    command = [envoy_binary, "--mode", "validate", "--log-level", "error", "--config-path", path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_nodes_are_named_as_istio_names_them(bootstraps):
    node = bootstraps["productpage-v1"]["node"]
    kind, address, pod, domain = node["id"].split("~")
    assert (kind, address, domain) == ("sidecar", "127.0.10.3", "default.svc.cluster.local")
    assert pod == f"{node['metadata']['NAME']}.default"
    assert node["cluster"] == "productpage.default"
    assert node["metadata"]["INSTANCE_IPS"] == address
    assert node["metadata"]["OWNER"].endswith("/namespaces/default/deployments/productpage-v1")
    assert node["metadata"]["LABELS"]["service.istio.io/canonical-name"] == "productpage"
    assert bootstraps["istio-ingressgateway"]["node"]["id"].startswith("router~127.0.10.2~")


def test_clusters_are_named_as_istio_names_them(bootstraps):
    clusters = {cluster["name"] for cluster in bootstraps["ratings-v1"]["static_resources"]["clusters"]}
    assert clusters >= {
        "outbound|9080|v1|reviews.default.svc.cluster.local",
        "outbound|27017||mongodb.default.svc.cluster.local",
        "inbound|9080||",
        "envoy_accesslog_service",
    }


def test_every_name_and_address_is_given_once(topology):
    workloads = topology.workloads
    assert len({workload.name for workload in workloads}) == len(workloads)
    assert len({workload.address for workload in workloads}) == len(workloads)
    assert len({workload.pod for workload in workloads}) == len(workloads)


def test_without_an_access_log_file_envoy_only_reports(topology, tmp_path):
    workload = topology.gateway
    issued = issue_certificates([workload], tmp_path, datetime.now(UTC))[workload.name]
    content = bootstrap(topology, workload, certificates=issued, als_address=("127.0.0.1", 9901), access_log=None)
    assert "envoy.access_loggers.http_grpc" in str(content)
    assert "envoy.access_loggers.file" not in str(content)


def test_envoys_send_their_metrics_to_the_service_too(bootstraps):
    for content in bootstraps.values():
        (sink,) = content["stats_sinks"]
        cluster = sink["typed_config"]["grpc_service"]["envoy_grpc"]["cluster_name"]
        assert cluster in {one["name"] for one in content["static_resources"]["clusters"]}


def test_breakers_tell_what_remains(bootstraps):
    clusters = bootstraps["productpage-v1"]["static_resources"]["clusters"]
    assert all(one["circuit_breakers"]["thresholds"][0]["track_remaining"] for one in clusters)
