"""Who talked to whom, by which service, seen from where: from the clues of one distinct kind of entry."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from telemetry.mesh import peers, plain, spiffe
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.clues import Clues
from telemetry.mesh.dialect import INBOUND, ClusterName, Dialect, Proxy
from telemetry.mesh.direction import direction
from telemetry.mesh.recognise import AUTO, DIALECTS, parse_cluster, recognise, recognise_node
from telemetry.mesh.scene import Scene, host_of_authority
from telemetry.mesh.service import Service, may_name_service, service_called, service_own
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload
from telemetry.node import ANONYMOUS, Node

__all__ = ["Clues", "Hop", "Resolver", "host_of_authority", "may_name_service"]


@dataclass(frozen=True, slots=True)
class Hop:
    """The answer: the attributes that all entries of one kind share. None: not known.

    `…_resolved_by`: the clue that named the workload (node, peer, principal, address, cluster), else the one that at
    least named the service (cluster, host, sni).
    """

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


class Resolver:
    """Finds the hop of clues.

    `default_cluster`: the cluster's name for workloads that don't say theirs (Kiali rejects a known workload in an
    unknown cluster). `dialect`: whose names to expect, one of `recognise.DIALECTS`, or `auto`: what each Envoy shows.
    `services`: name and namespace of a host's service, where a list has it. Raises KeyError for other dialects.
    """

    def __init__(
        self,
        addresses: Addresses,
        default_cluster: str,
        dialect: str = AUTO,
        *,
        services: Callable[[str], tuple[str, str | None] | None] = lambda _: None,
    ) -> None:
        self._services = services
        self._addresses = addresses
        self._default_cluster = default_cluster
        self._dialect: Dialect | None = None if dialect == AUTO else DIALECTS[dialect]
        self._nodes: WeakKeyDictionary[Node, tuple[Dialect, Proxy]] = WeakKeyDictionary()

    def learn(self, node: Node) -> None:
        """Remember the addresses that a node says are its workload's: so its peers' entries will name it."""
        proxy = self._proxy(node)
        for ip in proxy.addresses:
            self._addresses.learn(ip, proxy.workload)

    def is_gateway(self, node: Node) -> bool:
        """Whether a node is a gateway: its clients' host headers name no service."""
        return self._proxy(node).kind == "gateway"

    def cluster_name(self, name: str) -> ClusterName | None:
        """Read a cluster's name as `resolve` will, but for what only the node tells; None for those of no mesh."""
        return self._dialect.cluster_name(name, ANONYMOUS) if self._dialect else parse_cluster(name)

    def workload(self, node: Node) -> Workload:
        """Give whose Envoy a node is, as far as it says."""
        return self._placed(self._proxy(node).workload)

    def dialect_of(self, node: Node) -> str:
        """Give the name of the mesh that a node shows itself to be of, one of `recognise.DIALECTS`."""
        return self._known(node)[0].name

    def named_by_host(self, node: Node) -> bool:
        """Whether hosts, not clusters, are what names services in the mesh that a node shows itself to be of."""
        return self._known(node)[0].named_by_host

    def resolve(self, clues: Clues) -> Hop:
        """Answer for one distinct set of clues; pure but for the registry."""
        scene = self._scene(clues)
        inbound = direction(scene) == INBOUND
        waypoint = scene.proxy.kind == "waypoint"
        # Access logs tell of the downstream connection's TLS only, so only the side that a peer connects to may vouch.
        verified = inbound or waypoint
        peer = _principal(clues.peer_sans, clues.peer_principal) if verified else None
        local = _principal(clues.local_sans, clues.local_principal) if verified else None
        own: Found = (scene.proxy.workload, "node")
        source = _trust(self._client(clues), _identity(scene, peer)) if verified else own
        destination = own if inbound else self._server(scene)
        if inbound:
            service = service_own(scene, destination[0], _identity(scene, local))
        else:
            service = service_called(scene, destination[0], source[0])
        service = self._listed(service)
        return Hop(
            reporter="waypoint" if waypoint else "inbound" if inbound else "outbound",
            source=self._placed(source[0]),
            source_resolved_by=source[1],
            source_principal=peer,
            destination=self._placed(destination[0]),
            destination_resolved_by=destination[1] or service.clue,
            destination_principal=local,
            service_host=service.host,
            service_name=service.name,
            service_namespace=service.namespace,
            mtls=bool(peer and local) if verified else None,
            security_policy=("mutual_tls" if peer and local else "none") if verified else "unknown",
        )

    def _listed(self, service: Service) -> Service:
        """Let whoever lists services name the one of this host."""
        listed = self._services(service.host) if service.host else None
        return replace(service, name=listed[0], namespace=listed[1] or service.namespace) if listed else service

    def _proxy(self, node: Node) -> Proxy:
        return self._known(node)[1]

    def _known(self, node: Node) -> tuple[Dialect, Proxy]:
        known = self._nodes.get(node)
        if known is None:
            dialect = self._dialect or recognise_node(node)
            known = self._nodes[node] = (dialect, dialect.proxy(node))
        return known

    def _scene(self, clues: Clues) -> Scene:
        dialect = self._dialect or recognise(clues.node, clues.cluster, clues.peer_sans or clues.local_sans)
        cluster = dialect.cluster_name(clues.cluster, clues.node) if clues.cluster else None
        if cluster is None and clues.cluster:
            cluster = plain.cluster_name(clues.cluster, clues.node)
        route = dialect.route_name(clues.route) if clues.route else None
        return Scene(clues, dialect, self._proxy(clues.node), cluster, route)

    def _client(self, clues: Clues) -> Found:
        if peer := peers.workload_of_peer(clues.downstream_peer):
            return peer, "peer"
        if known := clues.client or self._addresses.find(clues.client_ip):
            return known, "address"
        return _UNKNOWN

    def _server(self, scene: Scene) -> Found:
        clues, cluster = scene.clues, scene.cluster
        if peer := peers.workload_of_peer(clues.upstream_peer):
            return peer, "peer"
        if known := clues.server or self._addresses.find(clues.server_ip):
            return known, "address"
        reached = clues.server_ip is not None if clues.reached is None else clues.reached
        if reached and cluster and cluster.names_workload:
            name = cluster.service
            return Workload(name=name, namespace=cluster.namespace, app=name, canonical_service=name), "cluster"
        # Not even the cluster's namespace: Kiali finds failed calls by an unknown workload in an unknown namespace.
        return _UNKNOWN

    def _placed(self, workload: Workload) -> Workload:
        if (workload.name or workload.namespace) and not workload.cluster:
            return replace(workload, cluster=self._default_cluster)
        return workload


def _principal(sans: str | None, filter_state: bytes | None) -> str | None:
    return spiffe.first_uri(sans) or peers.principal_of_peer(filter_state)


def _identity(scene: Scene, principal: str | None) -> Spiffe | None:
    return scene.dialect.identity(principal) if principal else None


def _trust(found: Found, identity: Spiffe | None) -> Found:
    """Let the certificate overrule what metadata or an address says: its namespace, as in Istio, and its service."""
    workload, clue = found
    if identity is None:
        return found
    namespace = identity.namespace or workload.namespace
    if identity.service and identity.service not in {workload.name, workload.canonical_service}:
        name = identity.service
        return Workload(name=name, namespace=identity.namespace, app=name, canonical_service=name), "principal"
    if namespace == workload.namespace:
        return found
    if clue == "address" and not identity.service:
        # The address now belongs to another: forget what was found by it.
        return Workload(namespace=namespace), "principal"
    return replace(workload, namespace=namespace), clue or "principal"
