"""Istio's sidecars, gateway, waypoint: ids and metadata as its bootstrap writes them, clusters as pilot does."""

from dataclasses import replace
from typing import Any

from tests.captures.cases import Case, Proxy

__all__ = ["CASES"]

VIP = "127.7.1.1"
APP = "127.0.0.1"


def _proxy(kind: str, workload: str, service: str, version: str, address: str, namespace: str = "shop") -> Proxy:
    pod = f"{workload}-5f7c6d9b8d-x2x4z"
    labels = {
        "app": service, "version": version, "service.istio.io/canonical-name": service,
        "service.istio.io/canonical-revision": version,
    }  # fmt: skip
    metadata = {
        "NAME": pod,
        "NAMESPACE": namespace,
        "WORKLOAD_NAME": workload,
        "OWNER": f"kubernetes://apis/apps/v1/namespaces/{namespace}/deployments/{workload}",
        "LABELS": labels,
        "SERVICE_ACCOUNT": f"bookinfo-{service}",
        "CLUSTER_ID": "east",
        "MESH_ID": "cluster.local",
        "INSTANCE_IPS": address,
        "ISTIO_VERSION": "1.27.1",
        "INTERCEPTION_MODE": "REDIRECT",
    }
    id_ = f"{kind}~{address}~{pod}.{namespace}~{namespace}.svc.cluster.local"
    return Proxy(id_, f"{service}.{namespace}", address, metadata, _san(service, namespace), bind="127.0.0.6")


def _san(service: str, namespace: str = "shop") -> str:
    return f"spiffe://cluster.local/ns/{namespace}/sa/bookinfo-{service}"


def _peer(proxy: Proxy) -> dict[str, Any]:
    """The Struct of Istio 1.24 and later."""
    labels = proxy.metadata["LABELS"]
    return {
        "type": "deployment", "workload": proxy.metadata["WORKLOAD_NAME"], "name": proxy.metadata["NAME"],
        "cluster": "east", "namespace": proxy.metadata["NAMESPACE"], "service": labels["app"],
        "revision": labels["version"], "app": labels["app"], "version": labels["version"],
    }  # fmt: skip


PRODUCTPAGE = _proxy("sidecar", "productpage-v1", "productpage", "v1", "127.7.0.11")
REVIEWS = _proxy("sidecar", "reviews-v2", "reviews", "v2", "127.7.0.12")
GATEWAY = _proxy("router", "istio-ingressgateway", "istio-ingressgateway", "latest", "127.7.0.10", "istio-system")
WAYPOINT = _proxy("waypoint", "waypoint", "waypoint", "latest", "127.7.0.19")

TO_REVIEWS = "outbound|9080||reviews.shop.svc.cluster.local"
_OUT = Case("", PRODUCTPAGE, client=PRODUCTPAGE.address, listen=VIP, host="reviews:9080")
_IN = Case(
    "", REVIEWS, "inbound|9080||", APP, client=PRODUCTPAGE.address, client_sans=(_san("productpage"),),
    host="reviews:9080",
)  # fmt: skip
_IN_PLAIN = replace(_IN, client_sans=())

CASES = (
    replace(
        _OUT, name="sidecar, outbound, the peer in filter state", cluster=TO_REVIEWS, upstream=REVIEWS.address,
        peers={"upstream_peer": _peer(REVIEWS)},
    ),
    replace(
        _OUT, name="sidecar, outbound to a subset, the peer by its address", upstream=REVIEWS.address,
        cluster="outbound|9080|v2|reviews.shop.svc.cluster.local", route="canary",
    ),
    replace(
        _OUT, name="sidecar, outbound, gRPC that failed", cluster=TO_REVIEWS, upstream=REVIEWS.address, grpc=True,
        path="/shop.v1.Reviews/Get",
    ),
    replace(
        _OUT, name="sidecar, outbound, refused", cluster=TO_REVIEWS, upstream=REVIEWS.address, refused=True,
    ),
    replace(
        _OUT, name="sidecar, outbound, no healthy host",
        cluster="outbound|9080||ratings.shop.svc.cluster.local", host="ratings:9080",
    ),
    replace(_OUT, name="sidecar, outbound, block_all", direct=502, route="block_all", host="nowhere.example"),
    replace(
        _OUT, name="sidecar, outbound, allow_any", cluster="PassthroughCluster", upstream="127.7.8.1",
        route="allow_any", host="www.example.org",
    ),
    replace(
        _OUT, name="sidecar, outbound, TCP to a stranger", tcp=True, upstream="127.7.8.2",
        cluster="outbound|27017||mongodb.shop.svc.cluster.local",
    ),
    replace(_OUT, name="sidecar, outbound, TCP to nowhere", tcp=True, cluster="BlackHoleCluster"),
    replace(_IN, name="sidecar, inbound, mutual TLS and the peer in filter state",
            peers={"downstream_peer": _peer(PRODUCTPAGE)}),
    replace(_IN, name="sidecar, inbound, mutual TLS, the peer by its address"),
    replace(_IN, name="sidecar, inbound, denied by policy", denied=True),
    replace(_IN, name="sidecar, inbound, TCP", cluster="inbound|9000||", tcp=True),
    replace(_IN_PLAIN, name="sidecar, inbound, plain text from a stranger", client="127.7.9.9"),
    replace(
        _IN_PLAIN, name="sidecar, inbound, principals in filter state",
        peers={"io.istio.peer_principal": _san("productpage"), "io.istio.local_principal": _san("reviews")},
    ),
    replace(
        _IN_PLAIN, name="sidecar, inbound, a peer of Istio before 1.24 by its id", client="127.7.9.9",
        peers={"wasm.downstream_peer_id": "sidecar~10.9.9.9~orders-v1-7d4.sales~sales.svc.cluster.local"},
    ),
    replace(_IN, name="sidecar, inbound, passed through to no service", cluster="InboundPassthroughCluster"),
    Case(
        "gateway, to a service", GATEWAY, "outbound|9080||productpage.shop.svc.cluster.local", PRODUCTPAGE.address,
        host="bookinfo.example.com", route="bookinfo-0",
    ),
    Case("gateway, no route", GATEWAY, host="scanner.example"),
    Case(
        "gateway, TLS passed through by SNI", GATEWAY, "outbound_.9080_._.reviews.shop.svc.cluster.local",
        REVIEWS.address, tcp=True,
    ),
    Case(
        "waypoint, both peers in filter state", WAYPOINT, "inbound-vip|9080|http|reviews.shop.svc.cluster.local",
        REVIEWS.address, host="reviews:9080", client=PRODUCTPAGE.address,
        peers={"downstream_peer": _peer(PRODUCTPAGE), "upstream_peer": _peer(REVIEWS)},
    ),
)  # fmt: skip
