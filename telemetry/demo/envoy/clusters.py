"""Where an Envoy sends: every service of the mesh, its own application, and our service."""

from telemetry.demo.certificates import CertificatePaths
from telemetry.demo.envoy.access_logs import ALS_CLUSTER
from telemetry.demo.envoy.transport import upstream_transport_socket
from telemetry.demo.envoy.typed import Json, socket_address, typed
from telemetry.demo.topology import APP_PORT, Service, Topology, Workload

__all__ = ["als_cluster", "inbound_cluster", "inbound_cluster_name", "outbound_clusters"]

# Istio's address for the hop from sidecar to application.
_INBOUND_SOURCE_ADDRESS = "127.0.0.6"


def outbound_clusters(topology: Topology, workload: Workload, paths: CertificatePaths) -> list[Json]:
    """Give one cluster for each service and each of its versions, bound to the workload's own address."""
    return [
        _outbound_cluster(topology, service, version, workload, paths)
        for service in topology.services
        for version in ("", *(subset.version for subset in service.subsets))
    ]


def inbound_cluster_name(service: Service) -> str:
    """Istio's name for the cluster that holds the workload's own application."""
    return f"inbound|{service.port}||"


def inbound_cluster(service: Service, workload: Workload) -> Json:
    """Give the cluster that holds the workload's own application."""
    cluster = _cluster(inbound_cluster_name(service), [(workload.address, APP_PORT)])
    return {**cluster, **_bound_to(_INBOUND_SOURCE_ADDRESS)}


def als_cluster(address: str, port: int) -> Json:
    """Give the cluster of our service: its access logs and its metrics service."""
    return {**_cluster(ALS_CLUSTER, [(address, port)]), **_HTTP2}


def _outbound_cluster(
    topology: Topology, service: Service, version: str, workload: Workload, paths: CertificatePaths
) -> Json:
    endpoints = topology.endpoints(service, version)
    cluster = _cluster(service.cluster(version), [(endpoint.address, service.port) for endpoint in endpoints])
    transport_socket = upstream_transport_socket(
        paths,
        [endpoint.spiffe_id for endpoint in endpoints],
        sni=f"outbound_.{service.port}_.{version}_.{service.host}",
        alpn=() if service.tcp else ("h2",) if service.http2 else ("http/1.1",),
    )
    return {
        **cluster,
        **_bound_to(workload.address),
        **(_HTTP2 if service.http2 else {}),
        "transport_socket": transport_socket,
    }


def _cluster(name: str, addresses: list[tuple[str, int]]) -> Json:
    endpoints = [{"endpoint": {"address": socket_address(address, port)}} for address, port in addresses]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [{"track_remaining": True}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _bound_to(address: str) -> Json:
    return {"upstream_bind_config": {"source_address": {"address": address, "port_value": 0}}}


_HTTP2 = {
    "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config={"http2_protocol_options": {}},
        )
    }
}
