"""Plain Envoys: what is left to go by when no mesh named anything."""

from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["workload_of_node"]


def workload_of_node(node: Node) -> Workload:
    """Name the workload by the node: `--service-cluster`, else `--service-node`, as both were meant to be used."""
    name = node.cluster or node.id or None
    return Workload(name=name, instance=node.id or None, canonical_service=name)
