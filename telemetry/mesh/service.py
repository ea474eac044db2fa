"""Which service a request was for: by its cluster, route, host header and SNI, the more exact first."""

from dataclasses import dataclass, replace

from telemetry.mesh import istio
from telemetry.mesh.dialect import ClusterName
from telemetry.mesh.scene import Scene, host_of_authority
from telemetry.mesh.spiffe import Spiffe
from telemetry.mesh.workload import Workload

__all__ = ["Service", "may_name_service", "service_called", "service_own"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service; None: not known. `clue`: what named it (cluster, host, sni, or that of its workload)."""

    host: str | None = None
    name: str | None = None
    namespace: str | None = None
    clue: str | None = None


def may_name_service(host: str | None) -> bool:
    """Whether an inbound side may take its own service's name from this host: `a`, `a.b` or `a.b.svc…`."""
    if host is None or host == "localhost" or ":" in host:
        return False
    return host.count(".") <= 1 or istio.service_of_host(host) is not None


def service_called(scene: Scene, server: Workload, client: Workload) -> Service:
    """Name the service on the client's side, by istio_stats' order: what has no service, the cluster, the host."""
    cluster, route = scene.cluster, scene.route
    if route and route.special:
        namespace = client.namespace if route.service == "BlackHoleCluster" else server.namespace
        return Service(_stated_host(scene), scene.clues.cluster or route.service, namespace, "cluster")
    if cluster and cluster.special:
        return Service(_stated_host(scene), scene.clues.cluster, server.namespace, "cluster")
    if cluster and cluster.host:
        return _of_cluster(cluster, server)
    if scene.sni:
        return _of_sni(scene.sni)
    named = cluster or route
    if named and named.service and not named.names_workload:
        return _behind(scene, named, server)
    return _of_host(scene, server, client) or _of_label(scene, server)


def _stated_host(scene: Scene) -> str | None:
    return scene.host or host_of_authority(scene.clues.sni)


def _of_cluster(cluster: ClusterName, server: Workload) -> Service:
    return Service(cluster.host, cluster.service or cluster.host, cluster.namespace or server.namespace, "cluster")


def _of_sni(sni: ClusterName) -> Service:
    return Service(sni.host, sni.service or sni.host, sni.namespace, "sni")


def _behind(scene: Scene, named: ClusterName, server: Workload) -> Service:
    """Name the service behind a route: by the workload that answered, else it goes by the route's own name."""
    if name := server.canonical_service:
        return Service(scene.dialect.service_host(name, server, scene.proxy.domain, None), name, server.namespace)
    return Service(named.service, named.service, named.namespace, "cluster")


def _of_host(scene: Scene, server: Workload, client: Workload) -> Service | None:
    if scene.clues.cluster:
        if host := scene.host:
            return _of_reached(host, server, "host")
        # Without a host header it is a connection: its TLS greeting may name what was wanted.
        sni = host_of_authority(scene.clues.sni)
        return _of_reached(sni, server, "sni") if sni else None
    # Nothing was reached. Where hosts are what names services, one that had a route is one of them. Elsewhere a
    # gateway's clients may have asked for anything; a sidecar's application means what it says.
    if scene.dialect.named_by_host and scene.clues.routed and scene.host:
        return _of_reached(scene.host, server, "host")
    if scene.proxy.kind == "gateway" or not may_name_service(scene.host):
        return None
    return _meant(scene, client)


def _of_reached(host: str, server: Workload, clue: str) -> Service:
    name, namespace = istio.service_of_host(host) or (host, server.namespace)
    return Service(host, name, namespace, clue)


def _meant(scene: Scene, client: Workload) -> Service | None:
    """Read a host as the client's own namespace would: `reviews` and `reviews.shop` are short for the whole name."""
    host = scene.host or ""
    if service := istio.service_of_host(host):
        return Service(host, *service, "host")
    name, _, namespace = host.partition(".")
    if not client.namespace or namespace not in {"", client.namespace}:
        return None
    whole = scene.dialect.service_host(name, Workload(namespace=client.namespace), scene.proxy.domain, None)
    return Service(whole, name, client.namespace, "host")


def _of_label(scene: Scene, server: Workload) -> Service:
    cluster = scene.cluster
    if cluster and cluster.service:
        return Service(cluster.service, cluster.service, cluster.namespace or server.namespace, "cluster")
    return Service(None, server.canonical_service, server.namespace)


def service_own(scene: Scene, server: Workload, local: Spiffe | None) -> Service:
    """Name the service on its own side, where the cluster's name has no host.

    The host header counts only if it can mean a service of this namespace: a gateway hands on whatever a client sent.
    """
    if scene.cluster and scene.cluster.host:
        return _of_cluster(scene.cluster, server)
    if scene.cluster and scene.cluster.special:
        return replace(_own(scene, server, local), name=scene.clues.cluster)
    return _own(scene, server, local)


def _own(scene: Scene, server: Workload, local: Spiffe | None) -> Service:
    sni = scene.sni
    if sni and sni.namespace == server.namespace:
        return _of_sni(sni)
    told = istio.service_of_host(scene.host)
    if told and told[1] == server.namespace:
        return Service(scene.host, *told, "host")
    name = server.canonical_service
    if not name:
        return Service(None, None, server.namespace)
    return Service(scene.dialect.service_host(name, server, scene.proxy.domain, local), name, server.namespace)
