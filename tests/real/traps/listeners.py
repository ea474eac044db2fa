"""The listeners of the traps: each logs in another of Envoy's ways."""

from typing import Any

from telemetry.demo.envoy.typed import Json, named, socket_address
from tests.captures.certificates import Paths
from tests.real.traps.loggers import Loggers
from tests.real.traps.routes import CONNECT, filters, routes
from tests.real.traps.sites import Sites

__all__ = ["listeners"]

_UPGRADES = [{"upgrade_type": "CONNECT"}]


def listeners(sites: Sites, loggers: Loggers, paths: Paths) -> list[Json]:
    """By name: `http` as most do it; the others say in a word what is unusual about them."""

    def listen(name: str, network_filter: Json, **options: Any) -> Json:
        return _listener(sites, name, network_filter, **options)

    plain = {name: _manager(loggers.http(name)) for name in ("http", "told_twice", "tls", "h2")}
    early = _manager(
        loggers.http("early"),
        access_log_options={
            "flush_access_log_on_new_request": True,
            "access_log_flush_interval": "0.05s",
            "flush_log_on_tunnel_successfully_established": True,
        },
    )
    return [
        listen("http", plain["http"]),
        listen("told_twice", plain["told_twice"], access_log=[*loggers.tcp("told_twice"), *loggers.http("told_twice")]),
        listen("early", early),
        listen("attempts", _manager(loggers.http("attempts"), router={"upstream_log": loggers.http("attempts")})),
        listen("attempts_early", _manager(loggers.http("attempts_early"), router=_attempts_early(loggers))),
        listen("http_as_tcp", _manager(loggers.tcp("http_as_tcp"))),
        listen("impatient", _manager(loggers.http("impatient"), stream_idle_timeout="0.1s")),
        listen("h2", plain["h2"]),
        # Without this inspector Envoy logs no SNI, though TLS ends here.
        _secure(
            listen("tls", plain["tls"], listener_filters=[_INSPECTOR]),
            named("tls", f"{_TLS}.tls.v3.DownstreamTlsContext", **_mutual(paths)),
        ),
        _quic(sites, loggers, paths),
        _udp(sites, loggers),
        listen("relay", _relay()),
        listen("tcp", _tcp_proxy("tcp", loggers.tcp("tcp"))),
        listen("tcp_refused", _tcp_proxy("refused", loggers.tcp("tcp_refused"))),
        listen("tcp_cut", _tcp_proxy("tcp", loggers.tcp("tcp_cut"), max_downstream_connection_duration="0.1s")),
        listen("tcp_as_http", _tcp_proxy("tcp", loggers.http("tcp_as_http"))),
    ]


_TLS = "extensions.transport_sockets"
_INSPECTOR = named("tls_inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector")


def _listener(sites: Sites, name: str, network_filter: Json, **options: Any) -> Json:
    return {
        "name": name,
        "address": socket_address(sites.envoy, sites.port(name)),
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [network_filter]}],
        **options,
    }


def _attempts_early(loggers: Loggers) -> Json:
    return {
        "upstream_log": loggers.http("attempts_early"),
        "upstream_log_options": {
            "flush_upstream_log_on_upstream_stream": True,
            "upstream_log_flush_interval": "0.05s",
        },
    }


def _manager(access_log: list[Json], *, router: Json | None = None, **options: Any) -> Json:
    last = named("router", "extensions.filters.http.router.v3.Router", **(router or {}))
    configuration = routes()
    configuration["virtual_hosts"][0]["routes"].append(CONNECT)
    return named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="traps",
        route_config=configuration,
        access_log=access_log,
        upgrade_configs=_UPGRADES,
        http_filters=[*filters(), last],
        **options,
    )


def _relay() -> Json:
    """By the path's first part to the cluster that comes back in by that protocol; not logged."""
    hosts = [
        {"match": {"prefix": f"/{via}/"}, "route": {"cluster": f"relay_{via}", "prefix_rewrite": "/"}}
        for via in ("h2", "h3", "tls")
    ]
    return named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="relay",
        route_config={"virtual_hosts": [{"name": "relay", "domains": ["*"], "routes": hosts}]},
        http_filters=[named("router", "extensions.filters.http.router.v3.Router")],
    )


def _tcp_proxy(cluster: str, access_log: list[Json], **options: Any) -> Json:
    return named(
        "envoy.filters.network.tcp_proxy",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=cluster,
        cluster=cluster,
        access_log=access_log,
        access_log_options={"access_log_flush_interval": "0.1s", "flush_access_log_on_connected": True},
        **options,
    )


def _mutual(paths: Paths) -> Json:
    return {
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [
                {"certificate_chain": {"filename": str(paths.certificate)}, "private_key": {"filename": str(paths.key)}}
            ],
            "validation_context": {"trusted_ca": {"filename": str(paths.authority)}},
        },
    }


def _secure(listener: Json, socket: Json) -> Json:
    listener["filter_chains"][0]["transport_socket"] = socket
    return listener


def _quic(sites: Sites, loggers: Loggers, paths: Paths) -> Json:
    manager = _manager(loggers.http("h3"), codec_type="HTTP3", http3_protocol_options={})
    listener = _listener(sites, "h3", manager, udp_listener_config={"quic_options": {}})
    listener["address"]["socket_address"]["protocol"] = "UDP"
    # Envoy's QUIC does not ask for client certificates.
    context = _mutual(paths) | {"require_client_certificate": False}
    kind = f"{_TLS}.quic.v3.QuicDownstreamTransport"
    return _secure(listener, named("quic", kind, downstream_tls_context=context))


def _udp(sites: Sites, loggers: Loggers) -> Json:
    route = named("route", "extensions.filters.udp.udp_proxy.v3.Route", cluster="udp")
    proxy = named(
        "envoy.filters.udp_listener.udp_proxy",
        "extensions.filters.udp.udp_proxy.v3.UdpProxyConfig",
        stat_prefix="udp",
        matcher={"on_no_match": {"action": route}},
        idle_timeout="0.2s",
        access_log=loggers.tcp("udp"),
    )
    address = socket_address(sites.envoy, sites.port("udp"))
    address["socket_address"]["protocol"] = "UDP"
    return {"name": "udp", "address": address, "enable_reuse_port": False, "listener_filters": [proxy]}
