"""Istio's names are read as Istio writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh import istio, spiffe
from telemetry.mesh.istio import Cluster, NodeId
from telemetry.mesh.plain import workload_of_node as plain_workload
from telemetry.node import Node

METADATA = {
    "NAME": "reviews-v1-7f99-abcde",
    "NAMESPACE": "shop",
    "WORKLOAD_NAME": "reviews-v1",
    "OWNER": "kubernetes://apis/apps/v1/namespaces/shop/deployments/reviews-v1",
    "CLUSTER_ID": "east",
    "INSTANCE_IPS": "10.0.0.7,fd00::7",
    "LABELS": {"app": "reviews", "version": "v1", "service.istio.io/canonical-name": "reviews-c"},
}


def node(id_="sidecar~10.0.0.7~reviews-v1-7f99-abcde.shop~shop.svc.cluster.local", **more) -> Node:
    return Node(
        **{"id": id_, "cluster": "reviews.shop", "metadata": METADATA, "version": "1.40.0", "log_name": "", **more}
    )


def test_a_node_id_is_read():
    assert istio.node_id(node()) == NodeId("sidecar", "10.0.0.7", "reviews-v1-7f99-abcde", "shop", "cluster.local")


def test_other_ids_are_not_istios():
    assert istio.node_id(node("web-sidecar-proxy")) is None


def test_a_sidecars_metadata_names_its_workload():
    workload = istio.workload_of_node(node())
    assert (workload.name, workload.namespace, workload.cluster) == ("reviews-v1", "shop", "east")
    assert (workload.app, workload.version) == ("reviews", "v1")
    assert (workload.canonical_service, workload.canonical_revision) == ("reviews-c", "v1")
    assert node().instance_ips == ("10.0.0.7", "fd00::7")


def test_labels_that_are_not_set_are_empty_and_the_revision_is_latest():
    workload = istio.workload_of_node(node(metadata={"WORKLOAD_NAME": "w"}))
    assert (workload.app, workload.version, workload.canonical_revision) == ("", "", "latest")
    assert workload.canonical_service == "w"


def test_an_id_alone_still_names_pod_and_namespace():
    workload = istio.workload_of_node(node(metadata={}))
    assert (workload.name, workload.namespace) == ("reviews-v1-7f99-abcde", "shop")


def test_a_plain_envoy_is_named_by_its_service_cluster():
    one = Node(id="envoy-1", cluster="edge", metadata={}, version="1.40.0", log_name="")
    assert istio.workload_of_node(one) is None
    assert plain_workload(one).name == "edge"


@pytest.mark.parametrize(
    "metadata", [{"LABELS": "no map"}, {"LABELS": {"app": 7}}, {"INSTANCE_IPS": 3}, {"NAME": None}]
)
def test_odd_metadata_is_tolerated(metadata):
    one = node(metadata=metadata)
    assert istio.workload_of_node(one).app == ""
    assert one.instance_ips == ()


@pytest.mark.parametrize(
    ("name", "cluster"),
    [
        ("outbound|9080|v1|a.b.svc.cluster.local", Cluster("outbound", "9080", "v1", "a.b.svc.cluster.local")),
        ("outbound|9080||a.b.svc.cluster.local;", Cluster("outbound", "9080", "", "a.b.svc.cluster.local")),
        ("inbound|9080||", Cluster("inbound", "9080", "", "")),
        ("inbound-vip|80|http|a.b.svc.cluster.local", Cluster("inbound-vip", "80", "http", "a.b.svc.cluster.local")),
        ("PassthroughCluster", Cluster("outbound", "", "", "")),
        ("InboundPassthroughCluster", Cluster("inbound", "", "", "")),
        ("outbound_.9080_.v1_.a.b.svc.cluster.local", Cluster("outbound", "9080", "v1", "a.b.svc.cluster.local")),
        ("outbound_.9080_._.a.b.svc.cluster.local", Cluster("outbound", "9080", "", "a.b.svc.cluster.local")),
        ("xds-grpc", None),
        ("sideways|1|2|3", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_clusters_are_read(name, cluster):
    assert istio.parse_cluster(name) == cluster


@pytest.mark.parametrize(
    ("name", "direction", "special"),
    [
        ("PassthroughCluster", "outbound", True),
        ("BlackHoleCluster", "outbound", True),
        ("AllowAnyDynamicDNSCluster", "outbound", True),
        ("InboundPassthroughClusterIpv4", "inbound", True),
        ("inbound-vip|80|http|a.b.svc.cluster.local", "outbound", False),
        ("xds-grpc", "outbound", True),
        ("prometheus_stats", "inbound", False),
        ("agent", "inbound", False),
        ("encap", None, False),
        ("inner_connect_originate", None, False),
        ("main_internal", None, False),
    ],
)
def test_clusters_of_the_proxy_itself_tell_the_side_at_most(name, direction, special):
    told = istio.cluster_name(name, node())
    assert (told.direction, told.special) == (direction, special)


LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)


@given(LABEL, LABEL, st.integers(1, 65535), st.just("") | LABEL, st.sampled_from(["|", "_."]))
def test_a_service_is_found_in_its_clusters_name_and_in_its_sni(service, namespace, port, subset, joint):
    host = f"{service}.{namespace}.svc.cluster.local"
    told = istio.cluster_name(joint.join(["outbound", str(port), subset, host]), node())
    assert (told.direction, told.host, told.service, told.namespace) == ("outbound", host, service, namespace)
    assert (told.port, told.subset) == (str(port), subset or None)


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("sidecar", "sidecar"),
        ("router", "gateway"),
        ("agentgateway", "gateway"),
        ("waypoint", "waypoint"),
        ("ztunnel", "ztunnel"),
    ],
)
def test_a_nodes_type_tells_its_kind(type_, kind):
    proxy = istio.proxy(node(f"{type_}~10.0.0.7~pod.shop~shop.svc.example.org"))
    assert (proxy.kind, proxy.domain) == (kind, "example.org")
    assert proxy.addresses == ("10.0.0.7", "fd00::7")


def test_an_id_alone_tells_an_address():
    assert istio.proxy(node(metadata={})).addresses == ("10.0.0.7",)


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("reviews.shop.svc.cluster.local", ("reviews", "shop")),
        ("reviews.shop.svc", ("reviews", "shop")),
        ("reviews.shop", None),
        ("www.example.com", None),
        (None, None),
    ],
)
def test_service_hosts_are_read(host, service):
    assert istio.service_of_host(host) == service


@pytest.mark.parametrize(
    ("version", "logs_types"),
    [
        ("1.40.0", True),
        ("1.27.1", True),
        ("1.26.8", False),
        ("2.0.0", True),
        ("", True),
        ("dev", True),
        ("9" * 5000 + ".1", True),
    ],
)
def test_envoys_since_1_27_log_their_entries_types(version, logs_types):
    assert node(version=version).logs_types is logs_types


@pytest.mark.parametrize(
    ("uri", "namespace", "account"),
    [
        ("spiffe://cluster.local/ns/shop/sa/reviews", "shop", "reviews"),
        ("spiffe://project.svc.id.goog/ns/shop/sa/reviews", "shop", "reviews"),
        ("spiffe://cluster.local/ns/shop/sa/re%76iews", "shop", "reviews"),
        ("spiffe://td/other/form", None, None),
        ("spiffe://td", None, None),
    ],
)
def test_spiffe_ids_are_read(uri, namespace, account):
    identity = spiffe.parse(uri)
    assert (identity.namespace, identity.service_account) == (namespace, account)


def test_what_is_no_spiffe_id_is_none():
    assert spiffe.parse("https://example.com") is None
    assert spiffe.parse(None) is None
    assert spiffe.first_uri("spiffe://a/1,spiffe://b/2") == "spiffe://a/1"
    assert spiffe.first_uri("kuma://kuma.io/zone/east,spiffe://b/2") == "spiffe://b/2"
    assert spiffe.first_uri("https://only.example") == "https://only.example"
    assert spiffe.first_uri(None) is None


def test_a_node_can_claim_a_few_addresses_only():
    claimed = ",".join(f"10.0.{at // 250}.{at % 250 + 1}" for at in range(5000)) + ",nonsense,0.0.0.0"
    assert len(node(metadata={"INSTANCE_IPS": claimed}).instance_ips) == 32
    assert node(metadata={"INSTANCE_IPS": "nonsense,0.0.0.0,10.0.0.1"}).instance_ips == ("10.0.0.1",)
