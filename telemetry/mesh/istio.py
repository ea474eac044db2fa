"""Istio's names: nodes, clusters, hosts. Facts: istio/istio's bootstrap and pilot, and istio/proxy's istio_stats."""

from dataclasses import dataclass

from telemetry.mesh import spiffe
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName, Dialect, Proxy
from telemetry.mesh.plain import workload_of_node as plain_workload_of_node
from telemetry.mesh.workload import Workload, canonical_revision, canonical_service
from telemetry.node import Node

__all__ = [
    "DIALECT",
    "SPECIAL_CLUSTERS",
    "Cluster",
    "NodeId",
    "cluster_name",
    "node_id",
    "parse_cluster",
    "proxy",
    "route_name",
    "service_of_host",
    "workload_of_node",
]

# Clusters that stand for "no service": Istio's metrics show their name as the service's. InboundPassthroughCluster is
# one side's; the others are the client's. The Ipv4/Ipv6 twins are from before 1.22.
SPECIAL_CLUSTERS = {
    "PassthroughCluster": OUTBOUND,
    "BlackHoleCluster": OUTBOUND,
    "AllowAnyDynamicDNSCluster": OUTBOUND,
    "InboundPassthroughCluster": INBOUND,
    "InboundPassthroughClusterIpv4": INBOUND,
    "InboundPassthroughClusterIpv6": INBOUND,
}
# Clusters of the proxy itself. Ambient's lead on within the proxy and tell nothing of the service.
_OWN_CLUSTERS = {
    "agent": ClusterName(INBOUND),
    "prometheus_stats": ClusterName(INBOUND),
    "encap": ClusterName(),
    "connect_originate": ClusterName(),
    "inner_connect_originate": ClusterName(),
    "outer_connect_originate": ClusterName(),
    "main_internal": ClusterName(),
    **{
        name: ClusterName(OUTBOUND, special=True)
        for name in ("xds-grpc", "sds-grpc", "zipkin", "envoy_accesslog_service", "envoy_metrics_service")
    },
}
_ROUTES = {"block_all": "BlackHoleCluster", "allow_any": "PassthroughCluster"}
_KINDS = {"router": "gateway", "agentgateway": "gateway", "waypoint": "waypoint", "ztunnel": "ztunnel"}


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
        service_account=text.get("SERVICE_ACCOUNT") or None,
        labels=tuple(labels.items()),
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """`direction|port|subset|host`, as SNI `direction_.port_.subset_.host`; inbound-vip is a waypoint's direction."""

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
    # An alt_stat_name ends with ";": the metrics service shows such names. East-west gateways call clusters as the SNI
    # that leads to them.
    text = name.removesuffix(";")
    parts = text.split("|") if "|" in text else text.split("_.", 3)
    if len(parts) != 4 or parts[0] not in {"inbound", "outbound", "inbound-vip"}:
        return None
    return Cluster(*parts)


def service_of_host(host: str | None) -> tuple[str, str] | None:
    """Give (name, namespace) of a Kubernetes service host `name.namespace.svc…`; None for other hosts."""
    labels = host.split(".") if host else []
    return (labels[0], labels[1]) if len(labels) >= 3 and labels[2] == "svc" else None


def proxy(node: Node) -> Proxy:
    """Say who the node is."""
    workload, found = workload_of_node(node), node_id(node)
    if workload is None:
        return Proxy(plain_workload_of_node(node), addresses=node.instance_ips)
    if found is None:
        return Proxy(workload, addresses=node.instance_ips)
    addresses = node.instance_ips or ((found.ip,) if found.ip else ())
    return Proxy(workload, _KINDS.get(found.type, "sidecar"), addresses, found.domain)


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Read a cluster's name, the specials and the proxy's own included."""
    if name in _OWN_CLUSTERS:
        return _OWN_CLUSTERS[name]
    cluster = parse_cluster(name)
    if cluster is None:
        return None
    direction = OUTBOUND if cluster.direction == "inbound-vip" else cluster.direction
    service, namespace = service_of_host(cluster.host) or (cluster.host or None, None)
    return ClusterName(
        direction, cluster.host or None, service, namespace, cluster.port or None, cluster.subset or None,
        special=name in SPECIAL_CLUSTERS,
    )  # fmt: skip


def route_name(name: str) -> ClusterName | None:
    """Read the routes to no service in particular: `allow_any` lets out, `block_all` does not."""
    return ClusterName(OUTBOUND, service=_ROUTES[name], special=True) if name in _ROUTES else None


def _knows_identity(sans: str) -> bool:
    found = spiffe.parse(spiffe.first_uri(sans))
    return found is not None and found.service_account is not None


DIALECT = Dialect(
    name="istio",
    proxy=proxy,
    cluster_name=cluster_name,
    route_name=route_name,
    knows_node=lambda node: workload_of_node(node) is not None,
    knows_identity=_knows_identity,
)
