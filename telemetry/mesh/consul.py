"""Consul's names: SNI-like clusters, nodes, certificates. Facts: hashicorp/consul, agent/connect and agent/xds."""

from telemetry.mesh import spiffe
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName, Dialect, Proxy
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["DIALECT", "cluster_name", "dns_name", "identity", "proxy"]

_SIDECAR = "-sidecar-proxy"
# What precedes the trust domain, and the names before it. Any but a peer's or a query's may have a subset in front.
_FORMS = {
    "internal": ("service", "namespace", "datacenter"),
    "internal-v1": ("service", "namespace", "partition", "datacenter"),
    "external": ("service", "namespace", "partition", "peer"),
    "query": ("service", "namespace", "datacenter"),
}
_WITH_SUBSET = ("internal", "internal-v1")


def proxy(node: Node) -> Proxy:
    """Say who the node is: its cluster is the service, its id the proxy's, its metadata namespace and partition."""
    name = node.cluster or node.id.removesuffix(_SIDECAR) or None
    namespace = node.text.get("namespace") or None
    kind = "gateway" if "gateway" in node.id and not node.id.endswith(_SIDECAR) else "sidecar"
    return Proxy(
        Workload(name=name, namespace=namespace, instance=node.id or None, app=name, canonical_service=name), kind
    )


def cluster_name(name: str, _node: Node) -> ClusterName | None:
    """Read `[hash~][subset.]service.namespace[.partition].datacenter.internal[-v1].<uuid>.consul` and its kin."""
    if name == "local_app" or name.startswith("exposed_cluster_"):
        return ClusterName(INBOUND)
    if name == "original-destination":
        return ClusterName(OUTBOUND, special=True)
    labels = name.rpartition("~")[2].split(".")
    if len(labels) < 4 or labels[-1] != "consul" or labels[-3] not in _FORMS:
        return None
    return _target(labels[-3], labels[:-3])


def _target(form: str, labels: list[str]) -> ClusterName | None:
    if form == "internal" and len(labels) == 1:
        # Between mesh gateways: a datacenter, whatever service lies behind.
        return ClusterName(OUTBOUND, datacenter=labels[0])
    fields = _FORMS[form]
    subset = labels[0] if form in _WITH_SUBSET and len(labels) == len(fields) + 1 else None
    values = labels[1:] if subset is not None else labels
    if len(values) != len(fields) or not all(labels):
        return None
    said = dict(zip(fields, values, strict=True))
    return ClusterName(
        OUTBOUND,
        dns_name(**said),
        service=said["service"],
        namespace=said["namespace"],
        subset=subset,
        partition=said.get("partition"),
        datacenter=said.get("datacenter"),
        peer=said.get("peer"),
        names_workload=form != "query",
    )


def dns_name(
    service: str,
    namespace: str | None = None,
    partition: str | None = None,
    datacenter: str | None = None,
    peer: str | None = None,
) -> str:
    """Give the name that Consul's DNS has for a service; `default` namespaces and partitions are left out, as there."""
    parts = [service, "service"]
    for value, kind in ((namespace, "ns"), (partition, "ap")):
        if value and value != "default":
            parts += [value, kind]
    for value, kind in ((peer, "peer"), (datacenter, "dc")):
        if value:
            parts += [value, kind]
    return ".".join([*parts, "consul"])


def identity(uri: str) -> Spiffe | None:
    """Read a certificate's id; a gateway's names no service, so it is called by its kind."""
    found = spiffe.parse(uri)
    if found and found.kind == "gateway" and not found.service:
        return Spiffe(
            found.trust_domain, service="mesh-gateway", partition=found.partition, datacenter=found.datacenter,
            kind="gateway",
        )  # fmt: skip
    return found


def _knows_identity(sans: str) -> bool:
    found = spiffe.parse(spiffe.first_uri(sans))
    return found is not None and found.trust_domain.endswith(".consul")


def _service_host(service: str, workload: Workload, _domain: str, local: Spiffe | None) -> str:
    partition, datacenter = (local.partition, local.datacenter) if local else (None, None)
    return dns_name(service, workload.namespace, partition, datacenter)


DIALECT = Dialect(
    name="consul",
    proxy=proxy,
    cluster_name=cluster_name,
    knows_node=lambda node: {"namespace", "partition"} <= node.text.keys(),
    knows_identity=_knows_identity,
    identity=identity,
    service_host=_service_host,
)
