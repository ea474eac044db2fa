"""Envoy Gateway's names: clusters and routes called after Gateway API's resources. Facts: envoyproxy/gateway."""

import re

from telemetry.mesh.dialect import OUTBOUND, ClusterName, Dialect, Proxy, kubernetes_host
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "proxy", "route_name"]

_ROUTE = re.compile(
    r"(?:http|grpc|tcp|udp|tls)route/(?P<namespace>[^/]+)/(?P<name>[^/]+)(?:/rule/\d+(?:/backend/\d+)?)?", re.ASCII
)
_BACKEND = re.compile(
    r"(?P<kind>service|serviceimport|backend)/(?P<namespace>[^/]+)/(?P<name>[^/]+)/(?P<port>\d{1,5})", re.ASCII
)
_MATCH = re.compile(r"/match/\d+(?:/.*)?", re.ASCII | re.DOTALL)
_OWNER = re.compile(r"[a-z0-9-]+/[a-z0-9.-]+", re.ASCII)


def proxy(node: Node) -> Proxy:
    """Say who the node is: its cluster is `<namespace>/<gateway>` (the class's name where gateways are merged)."""
    namespace, _, name = node.cluster.rpartition("/")
    name = name or node.id
    workload = Workload(
        name=name or None, namespace=namespace or None, instance=node.id or None, canonical_service=name or None
    )
    return Proxy(workload, "gateway")


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Read `<kind>route/<namespace>/<name>/rule/<n>`: the route stands for the services behind it; or a backend's."""
    if found := _ROUTE.fullmatch(name):
        return ClusterName(OUTBOUND, service=found["name"], namespace=found["namespace"])
    found = _BACKEND.fullmatch(name)
    if found is None:
        return None
    service, namespace = found["name"], found["namespace"]
    host = kubernetes_host(service, namespace) if found["kind"] == "service" else None
    return ClusterName(OUTBOUND, host, service, namespace, found["port"])


def route_name(name: str) -> ClusterName | None:
    """Read a route's name: its rule's cluster and `/match/<n>/<host>`. It stays when no host was found."""
    match = _MATCH.search(name)
    found = _ROUTE.fullmatch(name[: match.start()]) if match and match.end() == len(name) else None
    return ClusterName(OUTBOUND, service=found["name"], namespace=found["namespace"]) if found else None


def _knows_node(node: Node) -> bool:
    # The pod is called envoy-<namespace>-<gateway>-<hash>.
    return node.id.startswith("envoy-") and _OWNER.fullmatch(node.cluster) is not None


DIALECT = Dialect(
    name="envoy_gateway", proxy=proxy, cluster_name=cluster_name, route_name=route_name, knows_node=_knows_node
)
