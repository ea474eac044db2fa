"""The names of Envoy Gateway, App Mesh, Traffic Director and Open Service Mesh are read as they write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh import app_mesh, envoy_gateway, osm, traffic_director
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName
from telemetry.node import ANONYMOUS
from tests.mesh.nodes import APP_MESH, APP_MESH_GATEWAY, ENVOY_GATEWAY, TRAFFIC_DIRECTOR, node

LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("httproute/shop/web/rule/0", ClusterName(OUTBOUND, service="web", namespace="shop")),
        ("httproute/shop/web/rule/0/backend/1", ClusterName(OUTBOUND, service="web", namespace="shop")),
        ("grpcroute/shop/web/rule/12", ClusterName(OUTBOUND, service="web", namespace="shop")),
        ("tcproute/shop/db", ClusterName(OUTBOUND, service="db", namespace="shop")),
        ("service/shop/web/8080", ClusterName(OUTBOUND, "web.shop.svc.cluster.local", "web", "shop", "8080")),
        ("backend/shop/partner/443", ClusterName(OUTBOUND, None, "partner", "shop", "443")),
        ("httproute/shop", None),
        ("accesslog_als_0_0", None),
    ],
)
def test_envoy_gateways_clusters_are_read(name, expected):
    assert envoy_gateway.cluster_name(name, ANONYMOUS) == expected


@pytest.mark.parametrize(
    "name",
    [
        "httproute/shop/web/rule/0/match/0/*",
        "httproute/shop/web/rule/0/match/3/www_example_com",
        "tcproute/shop/web/match/0",
    ],
)
def test_envoy_gateways_routes_are_read(name):
    assert envoy_gateway.route_name(name) == ClusterName(OUTBOUND, service="web", namespace="shop")


@pytest.mark.parametrize("name", ["default", "httproute/shop/web/rule/0", "x/match/0/*", ""])
def test_other_routes_are_not_envoy_gateways(name):
    assert envoy_gateway.route_name(name) is None


@given(LABEL, LABEL, st.integers(0, 99), st.integers(0, 99))
def test_a_routes_name_leads_to_the_same_service_as_its_cluster(namespace, name, rule, match):
    cluster = f"httproute/{namespace}/{name}/rule/{rule}"
    assert envoy_gateway.route_name(f"{cluster}/match/{match}/*") == envoy_gateway.cluster_name(cluster, ANONYMOUS)


def test_envoy_gateways_node_is_a_gateway():
    proxy = envoy_gateway.proxy(ENVOY_GATEWAY)
    assert (proxy.kind, proxy.workload.name, proxy.workload.namespace) == ("gateway", "edge", "shop")


def web(host="web", namespace=None) -> ClusterName:
    return ClusterName(OUTBOUND, host, "web", namespace, "8080", names_workload=True)


@pytest.mark.parametrize(
    ("name", "seen_from", "expected"),
    [
        ("cds_egress_prod_web_http_8080", ANONYMOUS, web()),
        ("cds_egress_color_mesh_web_shop_http_8080", APP_MESH, web("web_shop", "shop")),
        ("cds_egress_color_mesh_web_http2_8080", APP_MESH, web()),
        ("cds_egress_color_mesh_web_shop_http_8080", ANONYMOUS, ClusterName(OUTBOUND, port="8080")),
        ("cds_ingress_color_mesh_web_shop_grpc_8080", ANONYMOUS, ClusterName(INBOUND, port="8080")),
        ("cds_egress_prod_allow-all", ANONYMOUS, ClusterName(OUTBOUND, special=True)),
        ("cds_egress_prod_amazonaws", ANONYMOUS, ClusterName(OUTBOUND, special=True)),
        ("cds_egress_prod", ANONYMOUS, ClusterName(OUTBOUND)),
        ("cds_sideways_prod_web_http_80", ANONYMOUS, None),
    ],
)
def test_app_meshs_clusters_are_read_where_they_are_not_ambiguous(name, seen_from, expected):
    assert app_mesh.cluster_name(name, seen_from) == expected


@given(LABEL, LABEL, st.sampled_from(["http", "http2", "grpc", "tcp"]), st.integers(1, 65535), st.booleans())
def test_an_app_mesh_cluster_without_ambiguity_is_taken_apart_again(mesh, name, protocol, port, known):
    seen_from = node(f"mesh/{mesh}/virtualNode/other") if known else ANONYMOUS
    told = app_mesh.cluster_name(f"cds_egress_{mesh}_{name}_{protocol}_{port}", seen_from)
    assert (told.service, told.port) == (name, str(port))


def test_app_meshs_nodes_are_read():
    one, edge = app_mesh.proxy(APP_MESH), app_mesh.proxy(APP_MESH_GATEWAY)
    assert (one.kind, one.workload.name, one.workload.namespace) == ("sidecar", "web", "shop")
    assert (edge.kind, edge.workload.name) == ("gateway", "edge")
    assert app_mesh.proxy(node("x", "web")).workload.name == "web"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cloud-internal-istio:cloud_mp_830293263384_7265588390596584651", ClusterName(OUTBOUND)),
        ("/projects/p/global/backendServices/web", ClusterName(OUTBOUND, service="web")),
        ("/projects/p/regions/europe-west1/backendServices/web;", ClusterName(OUTBOUND, service="web")),
        ("cloud_mp_web", None),
    ],
)
def test_traffic_directors_clusters_are_read(name, expected):
    assert traffic_director.cluster_name(name, ANONYMOUS) == expected


def test_traffic_directors_node_and_routes_are_read():
    assert traffic_director.proxy(TRAFFIC_DIRECTOR).workload.name == "web"
    assert traffic_director.route_name("URL_MAP/830293263384_map") == ClusterName(OUTBOUND)
    assert traffic_director.route_name("default") is None


@pytest.mark.parametrize(("suffix", "direction"), [("", OUTBOUND), ("|local", INBOUND)])
def test_open_service_meshs_clusters_are_read(suffix, direction):
    expected = ClusterName(direction, "web.shop.svc.cluster.local", "web", "shop", "80")
    assert osm.cluster_name(f"shop/web|80{suffix}", ANONYMOUS) == expected


def test_open_service_meshs_certificates_have_the_account_first():
    found = osm.identity("spiffe://cluster.local/web-account/shop")
    assert (found.namespace, found.service_account) == ("shop", "web-account")
