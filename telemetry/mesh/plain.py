"""Plain Envoys: what is left to go by when no mesh named anything."""

from telemetry.mesh import spiffe
from telemetry.mesh.dialect import ClusterName, Dialect, Proxy
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "identity", "proxy", "workload_of_node"]


def workload_of_node(node: Node) -> Workload:
    """Name the workload by the node: `--service-cluster`, else `--service-node`, as both were meant to be used."""
    name = node.cluster or node.id or None
    return Workload(name=name, instance=node.id or None, canonical_service=name)


def proxy(node: Node) -> Proxy:
    """Say who the node is."""
    return Proxy(workload_of_node(node))


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Take the whole name for the workload's behind it: whoever wrote the configuration chose it for that."""
    return ClusterName(service=name, names_workload=True) if name else None


def identity(uri: str) -> Spiffe | None:
    """Read the forms in common use, and `spiffe://td/service`."""
    found = spiffe.segments(uri)
    if found and len(found[1]) == 1 and found[1][0]:
        return Spiffe(found[0], service=found[1][0])
    return spiffe.parse(uri)


DIALECT = Dialect(name="plain", proxy=proxy, cluster_name=cluster_name, identity=identity, named_by_host=True)
