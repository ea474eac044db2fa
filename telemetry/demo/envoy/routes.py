"""Which request goes to which cluster, in Istio's shapes of virtual hosts and routes."""

from telemetry.demo.envoy.clusters import inbound_cluster_name
from telemetry.demo.envoy.typed import Json
from telemetry.demo.topology import Service, Topology

__all__ = ["gateway_routes", "inbound_routes", "outbound_routes"]

_RETRY_ONCE = {"retry_on": "5xx", "num_retries": 1}
_TIMEOUT = "10s"

# What Bookinfo's VirtualService lets in; anything else is a 404 of the gateway's own.
_GATEWAY_MATCHES = (
    {"path": "/productpage"},
    {"path": "/login"},
    {"path": "/logout"},
    {"prefix": "/api/v1/products"},
)


def outbound_routes(topology: Topology) -> Json:
    """Give the routes to every HTTP service, by version where it has subsets; a 5xx is retried once."""
    hosts = [_virtual_host(service) for service in topology.services if not service.tcp]
    return {"name": "9080", "virtual_hosts": [*hosts, _BLOCK_ALL]}


def inbound_routes(service: Service) -> Json:
    """Give the one route from the sidecar to its own application."""
    cluster = inbound_cluster_name(service)
    route = {"name": "default", "match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}
    host = {"name": f"inbound|http|{service.port}", "domains": ["*"], "routes": [route]}
    return {"name": cluster, "virtual_hosts": [host]}


def gateway_routes(service: Service) -> Json:
    """Give the routes that let Bookinfo's public paths in to one service."""
    routes = [{"name": "default", "match": match, "route": _action(service)} for match in _GATEWAY_MATCHES]
    return {"name": "http.8080", "virtual_hosts": [{"name": "*:8080", "domains": ["*"], "routes": routes}]}


def _virtual_host(service: Service) -> Json:
    names = (service.host, service.name, f"{service.name}.{service.namespace}")
    return {
        "name": f"{service.host}:{service.port}",
        "domains": [domain for name in names for domain in (name, f"{name}:{service.port}")],
        "routes": [{"name": "default", "match": {"prefix": "/"}, "route": _action(service)}],
    }


def _action(service: Service) -> Json:
    return {**_target(service), "timeout": _TIMEOUT, "retry_policy": _RETRY_ONCE}


def _target(service: Service) -> Json:
    if not service.subsets:
        return {"cluster": service.cluster()}
    clusters = [{"name": service.cluster(subset.version), "weight": subset.weight} for subset in service.subsets]
    return {"weighted_clusters": {"clusters": clusters}}


_BLOCK_ALL = {
    "name": "block_all",
    "domains": ["*"],
    "routes": [{"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}],
}
