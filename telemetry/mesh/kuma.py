"""Kuma's names: service tags, resource identifiers, certificates. Facts: kumahq/kuma, pkg/xds and pkg/core."""

import re
from dataclasses import replace

from telemetry.mesh import spiffe
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName, Dialect, Proxy, kubernetes_host
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "identity", "proxy", "service_of_tag"]

_LOCAL = re.compile(r"localhost:\d{1,5}", re.ASCII)
# A tag made from a Kubernetes service, and a MeshService's cluster. Both may end in a hash of the subset's tags.
_TAG = re.compile(r"([^_/|:]+)_([^_/|:]+)_svc(?:_(\d{1,5}))?(?:-[0-9a-f]{16})?", re.ASCII)
_MESH_SERVICE = re.compile(
    r"[^_/|:]+_([^_/|:]+)_([^_/|:]*)_([^_/|:]*)_(?:msvc|mzsvc|extsvc)_(\w+?)(?:-[0-9a-f]{16})?", re.ASCII
)
_DNS = re.compile(r"([^.]+)\.([^.]+)\.svc(?:\.\d{1,5})?\.mesh", re.ASCII)
_HASH = re.compile(r"-[0-9a-f]{16}$", re.ASCII)
_SERVICES = {"msvc", "mzsvc", "extsvc", "mextsvc"}
_PASSTHROUGH = re.compile(r"(?:self_transparentproxy_passthrough_|)(inbound|outbound)[:_](?:passthrough:)?ipv[46]")
_SYSTEM = ("_kuma", "kuma:", "system_")


def service_of_tag(tag: str) -> tuple[str, str | None]:
    """Give (name, namespace) of a `kuma.io/service` tag: `name_namespace_svc_port` on Kubernetes, else free text."""
    found = _TAG.fullmatch(tag)
    return (found[1], found[2]) if found else (tag, None)


def proxy(node: Node) -> Proxy:
    """Say who the node is: its cluster is the service's tag, its id `mesh.name`, as a pod's `mesh.pod.namespace`."""
    instance = node.id.partition(".")[2] or node.id or None
    name, namespace = service_of_tag(node.cluster) if node.cluster else (instance, None)
    kind = "gateway" if node.text.get("dataplane.proxyType") in {"ingress", "egress"} else "sidecar"
    return Proxy(Workload(name=name, namespace=namespace, instance=instance, app=name, canonical_service=name), kind)


def cluster_name(name: str, node: Node) -> ClusterName | None:
    """Read a cluster's name, legacy or `kri_…`; of a node known to be Kuma's any other name is a service's tag."""
    told = _own_side(name) or _mesh_service(name) or _kubernetes_tag(name)
    if told is None and _knows_node(node) and name and not name.startswith(_SYSTEM):
        return _to(_HASH.sub("", name), None, None)
    return told


def _own_side(name: str) -> ClusterName | None:
    if _LOCAL.fullmatch(name):
        return ClusterName(INBOUND, port=name.rpartition(":")[2])
    if through := _PASSTHROUGH.fullmatch(name):
        return ClusterName(through[1], special=True)
    return ClusterName(INBOUND, port=name.rpartition("_")[2]) if name.startswith("self_inbound_") else None


def _mesh_service(name: str) -> ClusterName | None:
    if name.startswith("kri_"):
        return _of_kri(name.split("_"))
    found = _MESH_SERVICE.fullmatch(name)
    return _to(found[1], found[2] or None, found[4], zone=found[3]) if found else None


def _kubernetes_tag(name: str) -> ClusterName | None:
    found = _TAG.fullmatch(name)
    return _to(found[1], found[2], found[3]) if found else None


def _of_kri(parts: list[str]) -> ClusterName | None:
    """Read `kri_<short name>_<mesh>_<zone>_<namespace>_<name>_<section>`; no part but the section has an underscore."""
    if len(parts) < 7:
        return None
    _, short, _, zone, namespace, name, *section = parts
    if short == "dp":
        return ClusterName(INBOUND, port="_".join(section) or None)
    if short in _SERVICES and name:
        return _to(name, namespace or None, "_".join(section), zone=zone)
    return ClusterName(OUTBOUND)


def _to(name: str, namespace: str | None, port: str | None, *, zone: str = "") -> ClusterName:
    host = _host(name, namespace)
    return ClusterName(OUTBOUND, host, name, namespace, port or None, datacenter=zone or None, names_workload=True)


def _host(name: str, namespace: str | None) -> str:
    return kubernetes_host(name, namespace) if namespace else f"{name}.mesh"


def whole_host(host: str) -> str:
    """Read Kuma's DNS name of a Kubernetes service, `name.namespace.svc.port.mesh`."""
    found = _DNS.fullmatch(host)
    return kubernetes_host(found[1], found[2]) if found else host


def identity(uri: str) -> Spiffe | None:
    """Read `spiffe://<mesh>/<service tag>` and MeshIdentity's forms (trust domain `<mesh>.<zone>.mesh.local`)."""
    found = spiffe.segments(uri)
    if found and len(found[1]) == 1 and found[1][0]:
        name, namespace = service_of_tag(found[1][0])
        return Spiffe(found[0], namespace=namespace, service=name)
    parsed = spiffe.parse(uri)
    if parsed and parsed.trust_domain.endswith(".mesh.local"):
        return replace(parsed, datacenter=parsed.trust_domain.removesuffix(".mesh.local").rpartition(".")[2] or None)
    return parsed


def _knows_node(node: Node) -> bool:
    return any(key.startswith("dataplane.") for key in node.metadata)


def _knows_identity(sans: str) -> bool:
    found = spiffe.segments(spiffe.first_uri(sans))
    return "kuma://" in sans or (found is not None and found[0].endswith(".mesh.local"))


def _service_host(service: str, workload: Workload, _domain: str, _local: Spiffe | None) -> str:
    return _host(service, workload.namespace)


DIALECT = Dialect(
    name="kuma",
    proxy=proxy,
    cluster_name=cluster_name,
    knows_node=_knows_node,
    knows_identity=_knows_identity,
    identity=identity,
    whole_host=whole_host,
    service_host=_service_host,
)
