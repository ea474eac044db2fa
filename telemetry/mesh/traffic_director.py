"""Traffic Director's names: backend services by number, nodes by network. Facts: Google Cloud's documents."""

import re

from telemetry.mesh.dialect import OUTBOUND, ClusterName, Dialect, Proxy
from telemetry.mesh.plain import workload_of_node
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "proxy", "route_name"]

_NODE = re.compile(r"projects/[^/]+/networks/[^/]+/nodes/[^/]+", re.ASCII)
_NUMBERED = re.compile(r"(?:cloud-internal-istio:)?cloud_mp_\d+_\w+", re.ASCII)
_NAMED = re.compile(r"/?projects/[^/]+/(?:global|regions/[^/]+)/backendServices/(?P<name>[^/;]+);?", re.ASCII)


def proxy(node: Node) -> Proxy:
    """Say who the node is: by its cluster, as of a plain Envoy; its id is a random one."""
    return Proxy(workload_of_node(node))


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Read `cloud_mp_<project>_<number>`, whose number names nothing, or the backend service's full name."""
    if found := _NAMED.fullmatch(name):
        return ClusterName(OUTBOUND, service=found["name"])
    return ClusterName(OUTBOUND) if _NUMBERED.fullmatch(name) else None


def route_name(name: str) -> ClusterName | None:
    """Recognise `URL_MAP/<map>`: the client's side."""
    return ClusterName(OUTBOUND) if name.startswith("URL_MAP/") else None


def _knows_node(node: Node) -> bool:
    return _NODE.fullmatch(node.id) is not None or any(key.startswith("TRAFFICDIRECTOR_") for key in node.metadata)


DIALECT = Dialect(
    name="traffic_director",
    proxy=proxy,
    cluster_name=cluster_name,
    route_name=route_name,
    knows_node=_knows_node,
    named_by_host=True,
)
