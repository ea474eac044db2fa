"""Who talked to whom: from the clues that Envoys of each kind leave."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.struct_pb2 import Struct

from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Clues, Hop, Resolver, host_of_authority
from telemetry.node import Node

REVIEWS_HOST = "reviews.shop.svc.cluster.local"
ME, YOU = "spiffe://cluster.local/ns/shop/sa/me", "spiffe://cluster.local/ns/front/sa/you"


def istio_node(workload: str, ip: str, namespace="shop", kind="sidecar", app: str | None = None) -> Node:
    metadata = {
        "NAME": f"{workload}-pod", "NAMESPACE": namespace, "WORKLOAD_NAME": workload, "CLUSTER_ID": "east",
        "INSTANCE_IPS": ip, "LABELS": {"app": app or workload},
    }  # fmt: skip
    id_ = f"{kind}~{ip}~{workload}-pod.{namespace}~{namespace}.svc.cluster.local"
    return Node(id=id_, cluster=f"{workload}.{namespace}", metadata=metadata, version="1.40.0", log_name="")


PRODUCTPAGE = istio_node("productpage", "10.0.0.1")
REVIEWS = istio_node("reviews-v1", "10.0.0.2", app="reviews")
GATEWAY = istio_node("gateway", "10.0.0.9", namespace="front", kind="router")
WAYPOINT = istio_node("waypoint", "10.0.0.8", kind="waypoint")
PLAIN = Node(id="edge-1", cluster="edge", metadata={}, version="1.40.0", log_name="")


def peer(**fields) -> bytes:
    struct, wrapper = Struct(), Any()
    struct.update(fields)
    wrapper.Pack(struct)
    return wrapper.SerializeToString()


@pytest.fixture
def resolver() -> Resolver:
    made = Resolver(Addresses(), "Kubernetes")
    for node in (PRODUCTPAGE, REVIEWS, GATEWAY):
        made.learn(node)
    return made


def names(hop: Hop) -> tuple:
    return hop.reporter, hop.source.name, hop.destination.name


def service(hop: Hop) -> tuple:
    return hop.service_host, hop.service_name, hop.service_namespace


def test_an_outbound_entry_names_the_node_and_the_host_it_reached(resolver):
    hop = resolver.resolve(Clues(
        PRODUCTPAGE, "http", cluster=f"outbound|9080|v1|{REVIEWS_HOST}", authority="reviews:9080", server_ip="10.0.0.2",
    ))  # fmt: skip
    assert names(hop) == ("outbound", "productpage", "reviews-v1")
    assert (hop.source_resolved_by, hop.destination_resolved_by) == ("node", "address")
    assert service(hop) == (REVIEWS_HOST, "reviews", "shop")
    assert (hop.security_policy, hop.mtls) == ("unknown", None)


def test_an_inbound_entry_names_the_peer_and_the_node(resolver):
    hop = resolver.resolve(Clues(
        REVIEWS, "http", cluster="inbound|9080||", authority="reviews:9080", client_ip="10.0.0.1", local_ip="10.0.0.2",
        peer_sans="spiffe://cluster.local/ns/shop/sa/productpage", local_sans=ME,
    ))  # fmt: skip
    assert names(hop) == ("inbound", "productpage", "reviews-v1")
    assert service(hop) == (REVIEWS_HOST, "reviews", "shop")
    assert (hop.security_policy, hop.mtls) == ("mutual_tls", True)
    assert hop.source_principal == "spiffe://cluster.local/ns/shop/sa/productpage"
    assert hop.destination_principal == ME


def test_both_sides_of_a_hop_agree_on_the_service(resolver):
    out = Clues(PRODUCTPAGE, "http", cluster=f"outbound|9080||{REVIEWS_HOST}", server_ip="10.0.0.2")
    into = Clues(REVIEWS, "http", cluster="inbound|9080||", authority="reviews.shop:9080", client_ip="10.0.0.1")
    assert service(resolver.resolve(out)) == service(resolver.resolve(into))


def test_peer_metadata_is_trusted_before_addresses(resolver):
    hop = resolver.resolve(Clues(
        REVIEWS, "http", cluster="inbound|9080||", client_ip="10.0.0.9",
        downstream_peer=peer(workload="productpage", namespace="shop", cluster="west"),
    ))  # fmt: skip
    assert (hop.source.name, hop.source.cluster, hop.source_resolved_by) == ("productpage", "west", "peer")


def test_the_certificates_namespace_overrules_the_metadatas(resolver):
    clues = Clues(
        REVIEWS, "http", cluster="inbound|9080||", peer_sans=YOU, local_sans=ME,
        downstream_peer=peer(workload="w", namespace="claimed"),
    )  # fmt: skip
    assert resolver.resolve(clues).source.namespace == "front"


def test_an_address_that_the_certificate_contradicts_names_nobody(resolver):
    hop = resolver.resolve(
        Clues(REVIEWS, "http", cluster="inbound|9080||", client_ip="10.0.0.1", peer_sans=YOU, local_sans=ME)
    )
    assert (hop.source.name, hop.source.namespace, hop.source_resolved_by) == (None, "front", "principal")


def test_a_gateway_is_the_source_of_what_it_sends(resolver):
    hop = resolver.resolve(Clues(
        GATEWAY, "http", cluster="outbound|9080||productpage.shop.svc.cluster.local", authority="shop.example",
        server_ip="10.0.0.1", peer_sans=YOU, local_sans=ME,
    ))  # fmt: skip
    assert names(hop) == ("outbound", "gateway", "productpage")
    assert hop.security_policy == "unknown"


def test_a_gateways_random_hosts_name_no_service_when_nothing_was_reached(resolver):
    hop = resolver.resolve(Clues(GATEWAY, "http", authority="x7f.attacker.example"))
    assert service(hop) == (None, None, None)


def test_a_gateway_hands_on_hosts_that_are_not_the_services_name(resolver):
    hop = resolver.resolve(Clues(REVIEWS, "http", cluster="inbound|9080||", authority="shop.example.com"))
    assert service(hop) == (REVIEWS_HOST, "reviews", "shop")


def test_a_waypoint_reports_as_one_and_knows_both_sides(resolver):
    hop = resolver.resolve(Clues(
        WAYPOINT, "http", cluster=f"inbound-vip|9080|http|{REVIEWS_HOST}", server_ip="10.0.0.2", client_ip="10.0.0.1",
    ))  # fmt: skip
    assert names(hop) == ("waypoint", "productpage", "reviews-v1")


def test_a_call_that_found_no_host_has_a_service_but_no_workload(resolver):
    hop = resolver.resolve(Clues(PRODUCTPAGE, "http", cluster=f"outbound|9080||{REVIEWS_HOST}"))
    assert service(hop) == (REVIEWS_HOST, "reviews", "shop")
    assert (hop.destination.name, hop.destination.namespace) == (None, None)


@pytest.mark.parametrize(
    ("clues", "reporter"),
    [
        (Clues(REVIEWS, "http", client_ip="10.0.0.2"), "outbound"),
        (Clues(REVIEWS, "http", client_ip="10.0.0.1", local_ip="10.0.0.2"), "inbound"),
        (Clues(REVIEWS, "http", upstream_local_ip="127.0.0.6"), "inbound"),
        (Clues(REVIEWS, "http", server_ip="127.0.0.1"), "inbound"),
        (Clues(REVIEWS, "http", downstream_peer=peer(workload="w")), "inbound"),
        (Clues(REVIEWS, "http", upstream_peer=peer(workload="w")), "outbound"),
        (Clues(REVIEWS, "http", cluster="InboundPassthroughCluster"), "inbound"),
        (Clues(REVIEWS, "http"), "outbound"),
    ],
)
def test_direction_without_a_cluster_name_follows_the_clues(resolver, clues, reporter):
    assert resolver.resolve(clues).reporter == reporter


@pytest.mark.parametrize(
    ("cluster", "route", "name"),
    [
        ("PassthroughCluster", "allow_any", "PassthroughCluster"),
        (None, "block_all", "BlackHoleCluster"),
        ("BlackHoleCluster", None, "BlackHoleCluster"),
    ],
)
def test_traffic_outside_the_mesh_goes_by_its_special_cluster(resolver, cluster, route, name):
    hop = resolver.resolve(Clues(PRODUCTPAGE, "http", cluster=cluster, route=route, authority="API.example.com:443"))
    assert (hop.service_host, hop.service_name) == ("api.example.com", name)


def test_a_plain_envoy_reports_as_the_source_with_its_own_name(resolver):
    hop = resolver.resolve(Clues(PLAIN, "http", cluster="backend", authority="api.example.com"))
    assert names(hop) == ("outbound", "edge", None)
    assert service(hop)[0] == "api.example.com"
    assert hop.source.cluster == "Kubernetes"


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("reviews:9080", "reviews"),
        ("Reviews.Shop", "reviews.shop"),
        ("[fd00::1]:80", "fd00::1"),
        ("[fd00::1]", "fd00::1"),
        ("a:b", "a:b"),
        ("", None),
        (None, None),
    ],
)
def test_an_authoritys_host_has_no_port(authority, host):
    assert host_of_authority(authority) == host
