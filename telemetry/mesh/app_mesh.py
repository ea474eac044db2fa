"""App Mesh's names: clusters of virtual nodes. Facts: AWS's troubleshooting guide and examples."""

import re

from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName, Dialect, Proxy
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "proxy"]

_NODE = re.compile(r"(?:arn:[^/]*:)?mesh/(?P<mesh>[^/]+)/virtual(?P<kind>Node|Gateway)/(?P<name>[^/]+)/?", re.ASCII)
_CLUSTER = re.compile(r"cds_(?P<side>ingress|egress)_(?P<rest>.+)", re.ASCII | re.DOTALL)
_TARGET = re.compile(r"(?P<names>.+)_(?P<protocol>http2?|grpc|tcp)_(?P<port>\d{1,5})", re.ASCII | re.DOTALL)
_OUTSIDE = ("_allow-all", "_amazonaws")


def proxy(node: Node) -> Proxy:
    """Say who the node is: its id is `mesh/<mesh>/virtualNode/<name>` or `…/virtualGateway/<name>`."""
    found = _resource(node)
    if found is None:
        name = node.cluster or node.id or None
        return Proxy(Workload(name=name, instance=node.id or None, canonical_service=name))
    name, namespace = _split(found["name"])
    kind = "gateway" if found["kind"] == "Gateway" else "sidecar"
    return Proxy(Workload(name=name, namespace=namespace, instance=node.id, canonical_service=name), kind)


def cluster_name(name: str, node: Node) -> ClusterName | None:
    """Read `cds_<side>_<mesh>_<virtual node>_<protocol>_<port>`.

    Mesh and virtual node may have underscores themselves: they are told apart by the node's own mesh, or when there is
    one underscore only. Otherwise the name tells the side alone.
    """
    found = _CLUSTER.fullmatch(name)
    if found is None:
        return None
    direction = INBOUND if found["side"] == "ingress" else OUTBOUND
    target = _TARGET.fullmatch(found["rest"])
    if target is None:
        return ClusterName(direction, special=direction == OUTBOUND and name.endswith(_OUTSIDE))
    if direction == INBOUND:
        return ClusterName(INBOUND, port=target["port"])
    virtual_node = _virtual_node(target["names"], node)
    if virtual_node is None:
        return ClusterName(OUTBOUND, port=target["port"])
    service, namespace = _split(virtual_node)
    # The virtual node's own name is the host: clients' virtual services, which route to it, are not on the wire.
    return ClusterName(OUTBOUND, virtual_node, service, namespace, target["port"], names_workload=True)


def _resource(node: Node) -> re.Match[str] | None:
    return _NODE.fullmatch(node.id) or _NODE.fullmatch(node.cluster)


def _virtual_node(names: str, node: Node) -> str | None:
    own = _resource(node)
    if own and names.startswith(own["mesh"] + "_"):
        return names.removeprefix(own["mesh"] + "_") or None
    parts = names.split("_")
    return parts[1] or None if len(parts) == 2 else None


def _split(virtual_node: str) -> tuple[str, str | None]:
    """Give (name, namespace): on Kubernetes virtual nodes are called `name_namespace`, elsewhere they have no `_`."""
    name, _, namespace = virtual_node.rpartition("_")
    return (name, namespace) if name and namespace else (virtual_node, None)


def _service_host(service: str, workload: Workload, _domain: str, _local: object) -> str:
    return f"{service}_{workload.namespace}" if workload.namespace else service


DIALECT = Dialect(
    name="app_mesh",
    proxy=proxy,
    cluster_name=cluster_name,
    knows_node=lambda node: _resource(node) is not None,
    service_host=_service_host,
)
