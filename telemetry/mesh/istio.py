"""Istio's names: nodes, clusters, hosts. Facts: istio/istio's bootstrap and pilot, and istio/proxy's istio_stats."""

from dataclasses import dataclass

from telemetry.mesh.workload import Workload, canonical_revision, canonical_service
from telemetry.node import Node

__all__ = ["SPECIAL_CLUSTERS", "Cluster", "NodeId", "node_id", "parse_cluster", "service_of_host", "workload_of_node"]

# Clusters that stand for "no service": Istio's metrics show their name as the service's. InboundPassthroughCluster is
# one side's; the others are the client's. The Ipv4/Ipv6 twins are from before 1.22.
SPECIAL_CLUSTERS = {
    "PassthroughCluster": "outbound",
    "BlackHoleCluster": "outbound",
    "InboundPassthroughCluster": "inbound",
    "InboundPassthroughClusterIpv4": "inbound",
    "InboundPassthroughClusterIpv6": "inbound",
}


@dataclass(frozen=True, slots=True)
class NodeId:
    """`type~ip~pod.namespace~namespace.svc.domain`; type is sidecar, router (a gateway) or waypoint."""

    type: str
    ip: str
    instance: str
    namespace: str
    domain: str


def node_id(node: Node) -> NodeId | None:
    """Read an Istio node id; None for other Envoys."""
    parts = node.id.split("~")
    if len(parts) != 4:
        return None
    type_, ip, name, domain = parts
    # A pod's name has no dot, its namespace none either: the last dot parts them.
    instance, _, namespace = name.rpartition(".")
    return NodeId(type_, ip, instance, namespace, domain.partition(".svc.")[2] or "cluster.local")


def workload_of_node(node: Node) -> Workload | None:
    """Name the workload by Istio's node metadata; None when the node has neither that nor an Istio id."""
    text, labels, identity = node.text, node.labels, node_id(node)
    if identity is None and "WORKLOAD_NAME" not in text:
        return None
    namespace = text.get("NAMESPACE") or (identity.namespace if identity else None) or None
    instance = text.get("NAME") or (identity.instance if identity else None) or None
    name = text.get("WORKLOAD_NAME") or instance
    return Workload(
        name=name,
        namespace=namespace,
        cluster=text.get("CLUSTER_ID") or None,
        instance=instance,
        owner=text.get("OWNER") or None,
        # Istio takes its own side's app and version from these labels only, and leaves them empty when unset.
        app=labels.get("app", ""),
        version=labels.get("version", ""),
        canonical_service=canonical_service(labels, name),
        canonical_revision=canonical_revision(labels),
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """`direction|port|subset|host`; direction is inbound, outbound or inbound-vip (a waypoint's)."""

    direction: str
    port: str
    subset: str
    host: str


def parse_cluster(name: str | None) -> Cluster | None:
    """Read an Istio cluster name, the specials included; None for others."""
    if not name:
        return None
    if name in SPECIAL_CLUSTERS:
        return Cluster(SPECIAL_CLUSTERS[name], "", "", "")
    # An alt_stat_name ends with ";": the metrics service shows such names.
    parts = name.removesuffix(";").split("|")
    if len(parts) != 4 or parts[0] not in {"inbound", "outbound", "inbound-vip"}:
        return None
    return Cluster(*parts)


def service_of_host(host: str | None) -> tuple[str, str] | None:
    """Give (name, namespace) of a Kubernetes service host `name.namespace.svc…`; None for other hosts."""
    labels = host.split(".") if host else []
    return (labels[0], labels[1]) if len(labels) >= 3 and labels[2] == "svc" else None
