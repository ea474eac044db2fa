"""Dialect: what one mesh calls things, in the one shape that all meshes' files have."""

from collections.abc import Callable
from dataclasses import dataclass

from telemetry.mesh import spiffe
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["INBOUND", "OUTBOUND", "ClusterName", "Dialect", "Proxy", "kubernetes_host", "never", "no_name"]

INBOUND, OUTBOUND = "inbound", "outbound"


@dataclass(frozen=True, slots=True)
class ClusterName:
    """What a cluster's or a route's name tells; None where it does not."""

    direction: str | None = None
    """Whose side it is used on: inbound or outbound."""
    host: str | None = None
    """The service's host, the same whoever reports."""
    service: str | None = None
    namespace: str | None = None
    port: str | None = None
    subset: str | None = None
    partition: str | None = None
    datacenter: str | None = None
    peer: str | None = None
    names_workload: bool = False
    """Whether the mesh calls workloads and services by the same name."""
    special: bool = False
    """Whether it stands for "no service", and is shown by its own name."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who a node says it is. `kind`: sidecar, gateway, waypoint or ztunnel; `addresses`: those its workload has."""

    workload: Workload
    kind: str = "sidecar"
    addresses: tuple[str, ...] = ()
    domain: str = "cluster.local"


def kubernetes_host(service: str, namespace: str, domain: str = "cluster.local") -> str:
    """Give the host of a Kubernetes service."""
    return f"{service}.{namespace}.svc.{domain}"


def no_name(_name: str) -> ClusterName | None:
    """Read nothing: for meshes whose routes have no names of their own."""
    return None


def never(_: object) -> bool:
    """Recognise nothing: for meshes that a node, or an identity, does not give away."""
    return False


def _same(host: str) -> str:
    return host


def _host(service: str, workload: Workload, domain: str, _local: Spiffe | None) -> str:
    return kubernetes_host(service, workload.namespace, domain) if workload.namespace else service


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One mesh's names. No text makes any of these raise.

    `knows_node`, `knows_identity`: whether a node, or URI SANs joined by commas, are this mesh's beyond doubt.
    `proxy`: who a node is. `cluster_name`, `route_name`: what names tell, None when they are not of this grammar; the
    reporting node may settle what is ambiguous. `identity`: what a SPIFFE id tells. `service_host`: the host of a
    service on its own side, from its name, its workload, the domain, and the workload's certified identity.
    `whole_host`: a host header's host as the clusters' names would have it. `named_by_host`: whether hosts, not
    clusters, are what names services.
    """

    name: str
    proxy: Callable[[Node], Proxy]
    cluster_name: Callable[[str, Node], ClusterName | None]
    knows_node: Callable[[Node], bool] = never
    knows_identity: Callable[[str], bool] = never
    route_name: Callable[[str], ClusterName | None] = no_name
    identity: Callable[[str], Spiffe | None] = spiffe.parse
    service_host: Callable[[str, Workload, str, Spiffe | None], str] = _host
    whole_host: Callable[[str], str] = _same
    named_by_host: bool = False
