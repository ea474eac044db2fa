"""Each mesh is known by what its Envoys show; and no text makes any dialect raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh.recognise import DIALECTS, parse_cluster, parse_route, recognise, recognise_node
from telemetry.mesh.workload import Workload
from telemetry.node import Node
from tests.mesh import nodes
from tests.mesh.nodes import PLAIN, TRUST

NODES = {
    "istio": nodes.istio("web"),
    "consul": nodes.CONSUL,
    "kuma": nodes.KUMA,
    "envoy_gateway": nodes.ENVOY_GATEWAY,
    "app_mesh": nodes.APP_MESH,
    "traffic_director": nodes.TRAFFIC_DIRECTOR,
    "plain": PLAIN,
}
CLUSTERS = {
    "istio": [
        "outbound|80||a.b.svc.cluster.local",
        "InboundPassthroughCluster",
        "outbound_.80_._.a.b.svc.cluster.local",
    ],
    "consul": [f"web.default.dc1.internal.{TRUST}", "local_app"],
    "kuma": ["localhost:8080", "kri_msvc_default_east_shop_web_80", "web_shop_svc_80"],
    "envoy_gateway": ["httproute/shop/web/rule/0"],
    "app_mesh": ["cds_egress_prod_web_http_8080"],
    "traffic_director": ["cloud_mp_830293263384_7265588390596584651"],
    "osm": ["shop/web|80", "shop/web|80|local"],
    "plain": ["backend", "www.example.com:443", "a/b/c"],
}
SANS = {
    "istio": ["spiffe://cluster.local/ns/a/sa/b"],
    "consul": [f"spiffe://{TRUST}/ns/default/dc/dc1/svc/web", f"spiffe://{TRUST}/gateway/mesh/dc/dc1"],
    "kuma": ["spiffe://default/web,kuma://kuma.io/zone/east", "spiffe://default.east.mesh.local/workload/web"],
    "plain": ["spiffe://example.org/web", "https://example.org"],
}


@pytest.mark.parametrize(("name", "shown"), NODES.items())
def test_a_mesh_is_known_by_its_node(name, shown):
    assert recognise_node(shown).name == name
    other = "local_app" if name != "consul" else "PassthroughCluster"
    assert name == "plain" or recognise(shown, other, SANS["istio"][0]).name == name


@pytest.mark.parametrize(("name", "cluster"), [(name, one) for name, some in CLUSTERS.items() for one in some])
def test_a_mesh_is_known_by_its_clusters_where_the_node_tells_nothing(name, cluster):
    assert recognise(PLAIN, cluster, None).name == name
    assert (parse_cluster(cluster) is None) is (name == "plain")


@pytest.mark.parametrize(("name", "sans"), [(name, one) for name, some in SANS.items() for one in some])
def test_a_mesh_is_known_by_its_certificates_where_nothing_else_tells(name, sans):
    assert recognise(PLAIN, None, sans).name == name


def test_routes_of_any_mesh_are_read():
    assert parse_route("httproute/shop/web/rule/0/match/0/*").service == "web"
    assert parse_route("block_all").special
    assert parse_route("default") is None
    assert parse_route(None) is parse_cluster(None) is None


PIECES = [
    "spiffe://", "kuma://", "outbound", "inbound", "|", "_.", "_", ".", "/", "~", "kri", "msvc", "svc", "consul",
    "internal", "internal-v1", "external", "query", "cds_egress_", "mesh/", "virtualNode/", "httproute", "rule/0",
    "match/1", "80", "ns", "sa", "dc", "workload", "%", "%2f", "%ff", "local", "localhost:", "a", "\0", "é", "\n",
]  # fmt: skip
TEXTS = st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
SEEN_FROM = st.sampled_from([*NODES.values(), nodes.APP_MESH_GATEWAY, nodes.KUMA_INGRESS])


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(text=TEXTS, seen_from=SEEN_FROM)
def test_no_text_makes_a_dialect_raise(dialect, text, seen_from):
    dialect.cluster_name(text, seen_from)
    dialect.route_name(text)
    dialect.knows_identity(text)
    identity = dialect.identity(text)
    assert dialect.service_host("web", Workload(namespace=text or None), text, identity)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(id_=TEXTS, cluster=TEXTS, metadata=st.dictionaries(TEXTS, TEXTS | st.none() | st.integers()))
def test_no_node_makes_a_dialect_raise(dialect, id_, cluster, metadata):
    one = Node(id=id_, cluster=cluster, metadata=metadata, version="1.40.0", log_name=id_)
    assert dialect.knows_node(one) in {True, False}
    proxy = dialect.proxy(one)
    assert proxy.kind in {"sidecar", "gateway", "waypoint", "ztunnel"}
    assert proxy.workload.name != ""
