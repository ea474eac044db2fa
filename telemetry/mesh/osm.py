"""Open Service Mesh's names (archived in 2023): `namespace/service|port`, certificates with the account first."""

import re

from telemetry.mesh import spiffe
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName, Dialect, Proxy, kubernetes_host
from telemetry.mesh.plain import workload_of_node
from telemetry.mesh.spiffe import Spiffe
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "identity", "proxy"]

_CLUSTER = re.compile(r"(?P<namespace>[^/|]+)/(?P<name>[^/|]+)\|(?P<port>\d{1,5})(?P<local>\|local)?", re.ASCII)


def proxy(node: Node) -> Proxy:
    """Say who the node is, as of a plain Envoy."""
    return Proxy(workload_of_node(node))


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Read `namespace/service|port`, with `|local` on the service's own side."""
    found = _CLUSTER.fullmatch(name)
    if found is None:
        return None
    service, namespace = found["name"], found["namespace"]
    side = INBOUND if found["local"] else OUTBOUND
    return ClusterName(side, kubernetes_host(service, namespace), service, namespace, found["port"])


def identity(uri: str) -> Spiffe | None:
    """Read `spiffe://<trust domain>/<account>/<namespace>`."""
    found = spiffe.segments(uri)
    if found and len(found[1]) == 2:
        return Spiffe(found[0], namespace=found[1][1] or None, service_account=found[1][0] or None)
    return spiffe.parse(uri)


DIALECT = Dialect(name="osm", proxy=proxy, cluster_name=cluster_name, identity=identity)
