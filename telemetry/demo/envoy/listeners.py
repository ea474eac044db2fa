"""Where an Envoy listens: to its own application, to other sidecars, and at the gateway to everyone."""

from typing import Any

from telemetry.demo.certificates import CertificatePaths
from telemetry.demo.envoy.access_logs import AccessLogs
from telemetry.demo.envoy.clusters import inbound_cluster_name
from telemetry.demo.envoy.routes import gateway_routes, inbound_routes, outbound_routes
from telemetry.demo.envoy.transport import server_transport_socket
from telemetry.demo.envoy.typed import Json, named, socket_address
from telemetry.demo.topology import GATEWAY_PORT, OUTBOUND_PORT, Service, Topology, Workload

__all__ = ["gateway_listeners", "sidecar_listeners"]

_TCP_FLUSH_INTERVAL = "1s"


def sidecar_listeners(topology: Topology, workload: Workload, logs: AccessLogs, paths: CertificatePaths) -> list[Json]:
    """Give the sidecar's listeners: inbound with mutual TLS, outbound for HTTP and for each TCP service."""
    service = topology.service(workload.service)
    # A sidecar's own TCP port is taken by its inbound listener: there are no virtual addresses here.
    others = [other for other in topology.services if other.tcp and other != service]
    return [
        _inbound(service, workload, logs, paths),
        _outbound_http(topology, workload, logs),
        *(_outbound_tcp(other, workload, logs) for other in others),
    ]


def gateway_listeners(topology: Topology, workload: Workload, logs: AccessLogs) -> list[Json]:
    """Give the gateway's listener, plain HTTP, for the first service of the topology."""
    manager = _http_manager(
        f"outbound_0.0.0.0_{GATEWAY_PORT}",
        gateway_routes(topology.services[0]),
        logs.http("source"),
        use_remote_address=True,
        normalize_path=True,
    )
    return [_listener(f"0.0.0.0_{GATEWAY_PORT}", workload, GATEWAY_PORT, "OUTBOUND", manager)]


def _inbound(service: Service, workload: Workload, logs: AccessLogs, paths: CertificatePaths) -> Json:
    if service.tcp:
        filters = _tcp_proxy(inbound_cluster_name(service), logs.tcp("destination"))
    else:
        filters = _http_manager(f"inbound_0.0.0.0_{service.port};", inbound_routes(service), logs.http("destination"))
    listener = _listener("virtualInbound", workload, service.port, "INBOUND", filters)
    listener["filter_chains"][0]["transport_socket"] = server_transport_socket(paths)
    return listener


def _outbound_http(topology: Topology, workload: Workload, logs: AccessLogs) -> Json:
    manager = _http_manager("outbound_0.0.0.0_9080;", outbound_routes(topology), logs.http("source"))
    return _listener("virtualOutbound", workload, OUTBOUND_PORT, "OUTBOUND", manager)


def _outbound_tcp(service: Service, workload: Workload, logs: AccessLogs) -> Json:
    proxy = _tcp_proxy(service.cluster(), logs.tcp("source"))
    return _listener(f"0.0.0.0_{service.port}", workload, service.port, "OUTBOUND", proxy)


def _listener(name: str, workload: Workload, port: int, direction: str, network_filter: Json) -> Json:
    return {
        "name": name,
        "address": socket_address(workload.address, port),
        "traffic_direction": direction,
        # Else a second Envoy on the same port would silently take half of the connections.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [network_filter]}],
    }


def _http_manager(stat_prefix: str, routes: Json, access_log: list[Json], **options: Any) -> Json:  # noqa: ANN401
    return named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=stat_prefix,
        server_name="istio-envoy",
        route_config=routes,
        access_log=access_log,
        http_filters=[named("envoy.filters.http.router", "extensions.filters.http.router.v3.Router")],
        **options,
    )


def _tcp_proxy(cluster: str, access_log: list[Json]) -> Json:
    return named(
        "envoy.filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=cluster,
        cluster=cluster,
        access_log=access_log,
        access_log_options={"access_log_flush_interval": _TCP_FLUSH_INTERVAL},
    )
