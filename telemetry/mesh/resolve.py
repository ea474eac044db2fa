"""Who talked to whom, by which service, seen from where: from the clues of one distinct kind of entry."""

from dataclasses import dataclass, replace

from telemetry.mesh import istio, peers, plain, spiffe
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.istio import Cluster, NodeId
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["Clues", "Hop", "Resolver", "host_of_authority", "may_name_service"]


@dataclass(frozen=True, slots=True)
class Clues:
    """What entries of one kind have in common. Strings are None when Envoy sent nothing."""

    node: Node
    protocol: str
    cluster: str | None = None
    route: str | None = None
    authority: str | None = None
    downstream_peer: bytes | None = None
    upstream_peer: bytes | None = None
    peer_sans: str | None = None
    local_sans: str | None = None
    client_ip: str | None = None
    """Address of the TCP peer, where the registry knows it or it is a loopback; else None."""
    local_ip: str | None = None
    """Address that the client connected to, likewise."""
    server_ip: str | None = None
    """Address of the upstream host, likewise."""
    upstream_local_ip: str | None = None
    """Our end of the upstream connection, likewise."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The answer: the attributes that all entries of one kind share. None: not known."""

    reporter: str
    source: Workload
    source_resolved_by: str | None
    source_principal: str | None
    destination: Workload
    destination_resolved_by: str | None
    destination_principal: str | None
    service_host: str | None
    service_name: str | None
    service_namespace: str | None
    mtls: bool | None
    security_policy: str


Found = tuple[Workload, str | None]
_UNKNOWN: Found = (Workload(), None)


def host_of_authority(authority: str | None) -> str | None:
    """Give an authority's host, lower-case and without port or IPv6 brackets."""
    if not authority:
        return None
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower() or None
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdecimal() else authority).lower() or None


def may_name_service(host: str | None) -> bool:
    """Whether an inbound side may take its own service's name from this host: `a`, `a.b` or `a.b.svc…`."""
    return host is not None and (host.count(".") <= 1 or istio.service_of_host(host) is not None)


class Resolver:
    """Finds the hop of clues.

    `default_cluster`: the cluster's name for workloads that don't say theirs (Kiali rejects a known workload in an
    unknown cluster).
    """

    def __init__(self, addresses: Addresses, default_cluster: str) -> None:
        self._addresses = addresses
        self._default_cluster = default_cluster

    def learn(self, node: Node) -> None:
        """Remember the addresses that a node says are its workload's: so its peers' entries will name it."""
        workload = istio.workload_of_node(node)
        identity = istio.node_id(node)
        if workload is not None:
            for ip in node.instance_ips or ((identity.ip,) if identity and identity.ip else ()):
                self._addresses.learn(ip, workload)

    def resolve(self, clues: Clues) -> Hop:
        """Answer for one distinct set of clues; pure but for the registry."""
        identity, cluster = istio.node_id(clues.node), istio.parse_cluster(clues.cluster)
        own = self._own(clues.node)
        inbound = _direction(clues, identity, cluster) == "inbound"
        waypoint = identity is not None and identity.type == "waypoint"
        peer, local = spiffe.first_uri(clues.peer_sans), spiffe.first_uri(clues.local_sans)
        # Access logs tell of the downstream connection's TLS only, so only the side that a peer connects to may vouch.
        verified = inbound or waypoint
        source = _trust(self._client(clues), peer) if verified else own
        destination = own if inbound else self._server(clues)
        host, name, namespace = _service(clues, cluster, destination[0], source[0], identity, inbound=inbound)
        return Hop(
            reporter="waypoint" if waypoint else "inbound" if inbound else "outbound",
            source=self._placed(source[0]),
            source_resolved_by=source[1],
            source_principal=peer if verified else None,
            destination=self._placed(destination[0]),
            destination_resolved_by=destination[1],
            destination_principal=local if verified else None,
            service_host=host,
            service_name=name,
            service_namespace=namespace,
            mtls=bool(peer and local) if verified else None,
            security_policy=("mutual_tls" if peer and local else "none") if verified else "unknown",
        )

    def _own(self, node: Node) -> Found:
        return (istio.workload_of_node(node) or plain.workload_of_node(node)), "node"

    def _client(self, clues: Clues) -> Found:
        if peer := peers.workload_of_peer(clues.downstream_peer):
            return peer, "peer"
        if known := self._addresses.find(clues.client_ip):
            return known, "address"
        return _UNKNOWN

    def _server(self, clues: Clues) -> Found:
        if peer := peers.workload_of_peer(clues.upstream_peer):
            return peer, "peer"
        if known := self._addresses.find(clues.server_ip):
            return known, "address"
        # Not even the cluster's namespace: Kiali finds failed calls by an unknown workload in an unknown namespace.
        return _UNKNOWN

    def _placed(self, workload: Workload) -> Workload:
        if workload.name and not workload.cluster:
            return replace(workload, cluster=self._default_cluster)
        return workload


def _trust(found: Found, principal: str | None) -> Found:
    """Let the certificate's namespace overrule what metadata or an address says, as Istio does."""
    workload, clue = found
    identity = spiffe.parse(principal)
    if identity is None or identity.namespace is None or identity.namespace == workload.namespace:
        return found
    if clue == "address":
        # The address now belongs to another: forget what was found by it.
        return Workload(namespace=identity.namespace), "principal"
    return replace(workload, namespace=identity.namespace), clue or "principal"


def _direction(clues: Clues, identity: NodeId | None, cluster: Cluster | None) -> str:
    """Say whose side reports: the first rule that applies (access logs carry no traffic direction)."""
    if identity and identity.type == "router":
        return "outbound"
    if cluster:
        return "inbound" if cluster.direction == "inbound" else "outbound"
    if bool(clues.downstream_peer) != bool(clues.upstream_peer):
        return "inbound" if clues.downstream_peer else "outbound"
    # No cluster: the request failed before a host was chosen. The application calls from its own address.
    own = set(clues.node.instance_ips)
    if clues.client_ip in own:
        return "outbound"
    if clues.local_ip in own or clues.upstream_local_ip in {"127.0.0.6", "::6"} or _is_loopback(clues.server_ip):
        return "inbound"
    return "outbound"


def _is_loopback(ip: str | None) -> bool:
    return ip in {"127.0.0.1", "::1"}


def _service(
    clues: Clues, cluster: Cluster | None, server: Workload, client: Workload, identity: NodeId | None, *, inbound: bool
) -> tuple[str | None, str | None, str | None]:
    """Give host, name and namespace of the service addressed, by istio_stats' order: host header, then cluster."""
    if clues.route == "block_all":
        return host_of_authority(clues.authority), "BlackHoleCluster", client.namespace
    if clues.route == "allow_any" or (clues.cluster in istio.SPECIAL_CLUSTERS and not inbound):
        return host_of_authority(clues.authority), clues.cluster or "PassthroughCluster", server.namespace
    if cluster and cluster.host:
        service = istio.service_of_host(cluster.host)
        return cluster.host, (service[0] if service else cluster.host), (service[1] if service else server.namespace)
    if inbound:
        return _own_service(host_of_authority(clues.authority), server, identity)
    if clues.cluster and (host := host_of_authority(clues.authority)):
        service = istio.service_of_host(host)
        return host, (service[0] if service else host), (service[1] if service else server.namespace)
    return None, server.canonical_service, server.namespace


def _own_service(
    host: str | None, server: Workload, identity: NodeId | None
) -> tuple[str | None, str | None, str | None]:
    """Name the service on its own side, where the cluster name has no host.

    The host header counts only if it can mean a service of this namespace: a gateway hands on whatever a client sent.
    """
    domain = identity.domain if identity else "cluster.local"
    service = istio.service_of_host(host)
    if service and service[1] == server.namespace:
        return host, *service
    labels = host.split(".") if host else []
    short = len(labels) == 1 or (len(labels) == 2 and labels[1] == server.namespace)
    name = labels[0] if host and short and labels[0] == server.canonical_service else server.canonical_service
    if not name or not server.namespace:
        return name, name, server.namespace
    return f"{name}.{server.namespace}.svc.{domain}", name, server.namespace
