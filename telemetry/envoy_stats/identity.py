"""Which labels tell an Envoy from the others."""

from collections.abc import Callable, Sequence

from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["identity_of"]

_READ: dict[str, Callable[[Node, Workload], str | None]] = {
    "node_id": lambda node, _: node.id,
    "node_cluster": lambda node, _: node.cluster,
    "workload": lambda _, workload: workload.name,
    "workload_namespace": lambda _, workload: workload.namespace,
    "app": lambda _, workload: workload.app,
    "version": lambda _, workload: workload.version,
    "canonical_service": lambda _, workload: workload.canonical_service,
    "canonical_revision": lambda _, workload: workload.canonical_revision,
    "cluster_id": lambda _, workload: workload.cluster,
    "zone": lambda node, _: node.zone,
}


def identity_of(node: Node, workload: Workload, labels: Sequence[str]) -> tuple[str, ...]:
    """Give the value of each of these labels (rules.IDENTITY_LABELS); "" for what is not known."""
    return tuple(_READ[label](node, workload) or "" for label in labels)
