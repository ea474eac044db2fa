"""Envoy Gateway, Kuma, App Mesh, Traffic Director, and Envoys of no mesh."""

from dataclasses import replace

from tests.captures.cases import Case, Proxy

__all__ = ["APP_MESH", "ENVOY_GATEWAY", "KUMA", "PLAIN", "TRAFFIC_DIRECTOR"]

APP = "127.0.0.1"

_EG = Case("", Proxy("envoy-shop-eg-5b7d9c-x2x4z", "shop/eg", "127.7.3.10"), host="www.example.com",
           upstream="127.7.3.12", cluster="httproute/shop/web/rule/0",
           route="httproute/shop/web/rule/0/match/0/www_example_com")  # fmt: skip
ENVOY_GATEWAY = (
    replace(_EG, name="an HTTPRoute"),
    replace(
        _EG, name="a GRPCRoute", cluster="grpcroute/shop/cart/rule/0", grpc=True, path="/shop.v1.Cart/Add",
        route="grpcroute/shop/cart/rule/0/match/0/*",
    ),
    replace(_EG, name="a backend of its own cluster", cluster="service/shop/api/8080"),
    replace(_EG, name="a TCPRoute", cluster="tcproute/shop/db", tcp=True),
    replace(
        _EG, name="an HTTPRoute without healthy host", upstream=None, cluster="httproute/shop/gone/rule/0",
        route="httproute/shop/gone/rule/0/match/0/www_example_com",
    ),
    replace(_EG, name="an HTTPRoute that is refused", refused=True),
    replace(_EG, name="no route", cluster=None, host="scanner.example"),
    replace(_EG, name="a client with a certificate", client_sans=("spiffe://partner.example/billing",)),
)  # fmt: skip


def _kuma(name: str, address: str, san: str) -> Proxy:
    metadata = {"dataplane.proxyType": "dataplane", "dataplane.admin.port": "9901", "version": {"kumaDp": {}}}
    return Proxy(f"default.{name}-7f99.shop", f"{name}_shop_svc_8080", address, metadata, san)


def _legacy(name: str) -> str:
    return f"spiffe://default/{name}_shop_svc_8080"


_WEB = _kuma("web", "127.7.4.11", _legacy("web"))
_API = _kuma("api", "127.7.4.12", _legacy("api"))
_NEW_API = replace(_API, address="127.7.4.13", san="spiffe://default.zone-1.mesh.local/ns/shop/sa/api")
_MESH_HOST = "api.shop.svc.8080.mesh"
_KUMA_OUT = Case("", _WEB, upstream=_API.address, client=_WEB.address, listen="127.7.4.1", host=_MESH_HOST)
_KUMA_IN = Case("", _API, "localhost:8080", APP, client=_WEB.address, host=_MESH_HOST)
_LEGACY_SANS = (_legacy("web"), "kuma://kuma.io/service/web_shop_svc_8080", "kuma://version/v1")
KUMA = (
    replace(_KUMA_OUT, name="outbound to a service's tag", cluster="api_shop_svc_8080"),
    replace(_KUMA_OUT, name="outbound to a MeshService", cluster="default_api_shop_zone-1_msvc_8080"),
    replace(_KUMA_OUT, name="outbound to a resource identifier", cluster="kri_msvc_default_zone-1_shop_api_http"),
    replace(_KUMA_OUT, name="outbound, TCP", cluster="db_shop_svc_5432", tcp=True),
    replace(_KUMA_OUT, name="outbound, no healthy host", cluster="gone_shop_svc_8080", upstream=None,
            host="gone.shop.svc.8080.mesh"),
    replace(_KUMA_IN, name="inbound, legacy identity", client_sans=_LEGACY_SANS),
    replace(_KUMA_IN, name="inbound, denied", client_sans=_LEGACY_SANS, denied=True),
    replace(
        _KUMA_IN, name="inbound, MeshIdentity", proxy=_NEW_API, cluster="self_inbound_http",
        client_sans=("spiffe://default.zone-1.mesh.local/ns/shop/sa/web",),
    ),
    replace(_KUMA_IN, name="inbound, plain text from a stranger", client="127.7.9.9"),
)  # fmt: skip

_NODE = "mesh/color_mesh/virtualNode/web_shop"
_VIRTUAL = Proxy(_NODE, _NODE, "127.7.5.11")
_EDGE = Proxy("mesh/color_mesh/virtualGateway/edge_shop", "mesh/color_mesh/virtualGateway/edge_shop", "127.7.5.10")
_AM_OUT = Case("", _VIRTUAL, upstream="127.7.5.12", client=_VIRTUAL.address, listen="127.7.5.1", host="api.shop:8080")
APP_MESH = (
    replace(_AM_OUT, name="egress to a virtual node", cluster="cds_egress_color_mesh_api_shop_http_8080"),
    replace(_AM_OUT, name="egress to anywhere", cluster="cds_egress_color_mesh_allow-all", host="www.example.org"),
    replace(_AM_OUT, name="egress, TCP", cluster="cds_egress_color_mesh_db_shop_tcp_5432", tcp=True),
    Case(
        "ingress", _VIRTUAL, "cds_ingress_color_mesh_web_shop_http_8080", APP, client="127.7.5.10",
        host="web.shop:8080",
    ),
    Case(
        "virtual gateway", _EDGE, "cds_egress_color_mesh_web_shop_http_8080", _VIRTUAL.address, host="www.example.com",
    ),
)  # fmt: skip

_TD = Proxy("projects/1234/networks/default/nodes/b7f9c818-1111-2222-3333-444455556666", "web", "127.7.6.11",
            {"TRAFFICDIRECTOR_NETWORK_NAME": "default", "TRAFFICDIRECTOR_GCP_PROJECT_NUMBER": "1234"},
            "spiffe://shop.svc.id.goog/ns/shop/sa/web")  # fmt: skip
_TD_OUT = Case("", _TD, upstream="127.7.6.12", client=_TD.address, listen="127.7.6.1", host="api.example:80",
               route="URL_MAP/1234_url-map_0-route-0")  # fmt: skip
TRAFFIC_DIRECTOR = (
    replace(_TD_OUT, name="a backend service by number", cluster="cloud-internal-istio:cloud_mp_1234_5678901234"),
    replace(_TD_OUT, name="no healthy backend", cluster="cloud-internal-istio:cloud_mp_1234_6789", upstream=None),
    replace(_TD_OUT, name="no route", route="", host="scanner.example"),
)

_ORDERS = Proxy("orders-1", "orders", "127.7.7.12", san="spiffe://example.org/orders")
_PLAIN_OUT = Case("", Proxy("edge-1", "edge", "127.7.7.10"), "orders", _ORDERS.address, host="orders.internal:8080")
PLAIN = (
    replace(_PLAIN_OUT, name="to a cluster"),
    replace(_PLAIN_OUT, name="refused", refused=True),
    replace(_PLAIN_OUT, name="no healthy host", cluster="gone", upstream=None),
    replace(_PLAIN_OUT, name="no route", cluster=None, host="scanner.example"),
    replace(_PLAIN_OUT, name="TCP", cluster="redis", upstream="127.7.7.13", tcp=True),
    Case("at the server's side, mutual TLS", _ORDERS, "local_service", APP, client="127.7.7.10",
         client_sans=("spiffe://example.org/edge",), host="orders.internal:8080"),
    Case("at the server's side, plain text", _ORDERS, "local_service", APP, client="127.7.7.10",
         host="orders.internal:8080"),
)  # fmt: skip
