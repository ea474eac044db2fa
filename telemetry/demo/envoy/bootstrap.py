"""The whole configuration of one workload's Envoy."""

from pathlib import Path

from telemetry.demo.certificates import CertificatePaths
from telemetry.demo.envoy.access_logs import AccessLogs
from telemetry.demo.envoy.clusters import als_cluster, inbound_cluster, outbound_clusters
from telemetry.demo.envoy.listeners import gateway_listeners, sidecar_listeners
from telemetry.demo.envoy.node import node
from telemetry.demo.envoy.stats import STATS
from telemetry.demo.envoy.typed import Json, socket_address
from telemetry.demo.topology import ADMIN_PORT, Topology, Workload

__all__ = ["bootstrap"]


def bootstrap(
    topology: Topology,
    workload: Workload,
    *,
    certificates: CertificatePaths,
    als_address: tuple[str, int],
    access_log: Path | None,
    buffer_flush_interval_s: float = 1.0,
) -> Json:
    """Give the bootstrap of a workload's Envoy, static throughout, ready to be written as JSON.

    `als_address`: host address (no name) and port of our service, which takes access logs and metrics. `access_log`:
    the file, if any.
    """
    logs = AccessLogs(access_log, buffer_flush_interval_s)
    clusters = [*outbound_clusters(topology, workload, certificates), als_cluster(*als_address)]
    if workload.gateway:
        listeners = gateway_listeners(topology, workload, logs)
    else:
        listeners = sidecar_listeners(topology, workload, logs, certificates)
        clusters.append(inbound_cluster(topology.service(workload.service), workload))
    return {
        "node": node(workload),
        "admin": {"address": socket_address(workload.address, ADMIN_PORT)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
        **STATS,
    }
