"""The Envoy of one proxy: a listener for each of its cases, named and certified as its mesh would."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from telemetry.demo.envoy.typed import Json, named, socket_address, typed
from tests.captures.cases import REFUSED_PORT, Case, Proxy
from tests.captures.certificates import Authority, Paths

__all__ = ["ADMIN_PORT", "HTTP_PORT", "TCP_PORT", "bootstrap", "port"]

ADMIN_PORT = 18_090
HTTP_PORT = 18_080
TCP_PORT = 18_081
_SINK = "the_sink"
_FIRST_PORT = 19_000
_GRPC = ["grpc-status"]


def port(number: int) -> int:
    """The listener's of that case."""
    return _FIRST_PORT + number


def bootstrap(proxy: Proxy, cases: Mapping[int, Case], als_port: int, authority: Authority) -> Json:
    """`cases` by their number in the style."""
    names = ([proxy.san], []) if proxy.san else ([], ["gateway.example"])
    paths = authority.issue(f"own-{proxy.address}", *names)
    return {
        "node": {"id": proxy.id, "cluster": proxy.cluster, "metadata": proxy.metadata},
        "admin": {"address": socket_address(proxy.address, ADMIN_PORT)},
        "static_resources": {
            "listeners": [_listener(number, case, paths) for number, case in cases.items()],
            "clusters": [*_clusters(proxy, list(cases.values())), _sink(als_port)],
        },
    }


def _clusters(proxy: Proxy, cases: Sequence[Case]) -> list[Json]:
    """Cases share a cluster's name and differ in its host: so a case chooses its host by metadata."""
    names: dict[str, list[Case]] = {}
    for case in cases:
        if case.cluster:
            names.setdefault(case.cluster, []).append(case)
    return [_cluster(proxy, name, own) for name, own in names.items()]


def _cluster(proxy: Proxy, name: str, cases: Sequence[Case]) -> Json:
    hosts = {(case.upstream, _port(case), _way(case)) for case in cases if case.upstream}
    endpoints = [
        {
            "endpoint": {"address": socket_address(address, number)},
            "metadata": {"filter_metadata": {"envoy.lb": {"way": way}}},
        }
        for address, number, way in sorted(hosts)
    ]
    local = any(case.upstream == "127.0.0.1" for case in cases)
    source = proxy.bind if local else proxy.address
    bound = {"upstream_bind_config": {"source_address": {"address": source, "port_value": 0}}} if source else {}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "lb_subset_config": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": ["way"]}]},
        **bound,
    }


def _port(case: Case) -> int:
    if case.refused:
        return REFUSED_PORT
    return TCP_PORT if case.tcp else HTTP_PORT


def _way(case: Case) -> str:
    return f"{case.upstream}:{_port(case)}"


def _sink(als_port: int) -> Json:
    options = typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": {}}
    )
    endpoint = {"endpoint": {"address": socket_address("127.0.0.1", als_port)}}
    return {
        "name": _SINK,
        "type": "STATIC",
        "load_assignment": {"cluster_name": _SINK, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _listener(number: int, case: Case, paths: Paths) -> Json:
    chain: Json = {"filters": _tcp(case) if case.tcp else [_http(case)]}
    if case.client_sans:
        chain["transport_socket"] = _mutual_tls(paths)
    address = socket_address(case.listen or case.proxy.address, port(number))
    return {"name": str(number), "address": address, "enable_reuse_port": False, "filter_chains": [chain]}


def _http(case: Case) -> Json:
    return named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="captures",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": _routes(case)}]},
        access_log=[_logger(case)],
        http_filters=[*_filters(case), named("router", "extensions.filters.http.router.v3.Router")],
    )


def _routes(case: Case) -> list[Json]:
    route: Json = {"name": case.route, "match": {"prefix": "/"}}
    if case.direct:
        return [{**route, "direct_response": {"status": case.direct}}]
    if case.cluster is None:
        return []
    match = {"filter_metadata": {"envoy.lb": {"way": _way(case)}}} if case.upstream else {}
    return [{**route, "route": {"cluster": case.cluster, "metadata_match": match}}]


def _filters(case: Case) -> list[Json]:
    filters = []
    if case.peers:
        kind = "extensions.filters.http.set_filter_state.v3.Config"
        filters.append(named("set_filter_state", kind, on_request_headers=_peers(case)))
    if case.denied:
        policy = {"permissions": [{"any": True}], "principals": [{"any": True}]}
        rules = {"action": "DENY", "policies": {"closed": policy}}
        filters.append(named("rbac", "extensions.filters.http.rbac.v3.RBAC", rules=rules))
    return filters


def _peers(case: Case) -> list[Json]:
    """Envoy's filter makes strings only; where Istio has a Struct, that is written as JSON (see recording.py)."""
    values = {key: peer if isinstance(peer, str) else json.dumps(peer) for key, peer in case.peers.items()}
    return [
        {
            "object_key": key,
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": value}},
        }
        for key, value in values.items()
    ]


def _tcp(case: Case) -> list[Json]:
    match = {"metadata_match": {"filter_metadata": {"envoy.lb": {"way": _way(case)}}}} if case.upstream else {}
    kind = "extensions.filters.network.tcp_proxy.v3.TcpProxy"
    options: dict[str, Any] = {"stat_prefix": "captures", "cluster": case.cluster, "access_log": [_logger(case)]}
    return [named("envoy.filters.network.tcp_proxy", kind, **options, **match)]


def _logger(case: Case) -> Json:
    common = {
        "log_name": "tcp_envoy_accesslog" if case.tcp else "http_envoy_accesslog",
        "grpc_service": {"envoy_grpc": {"cluster_name": _SINK}},
        "transport_api_version": "V3",
        "buffer_flush_interval": "0.02s",
        "filter_state_objects_to_log": list(case.peers) or ["downstream_peer", "upstream_peer"],
    }
    grpc = "extensions.access_loggers.grpc.v3"
    if case.tcp:
        return named("envoy.access_loggers.tcp_grpc", f"{grpc}.TcpGrpcAccessLogConfig", common_config=common)
    return named(
        "envoy.access_loggers.http_grpc",
        f"{grpc}.HttpGrpcAccessLogConfig",
        common_config=common,
        additional_request_headers_to_log=[":method", "content-type"],
        additional_response_headers_to_log=_GRPC,
        additional_response_trailers_to_log=_GRPC,
    )


def _mutual_tls(paths: Paths) -> Json:
    chain = {"certificate_chain": {"filename": str(paths.certificate)}, "private_key": {"filename": str(paths.key)}}
    context = {"tls_certificates": [chain], "validation_context": {"trusted_ca": {"filename": str(paths.authority)}}}
    kind = "extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return named("tls", kind, require_client_certificate=True, common_tls_context=context)
