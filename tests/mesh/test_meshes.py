"""Who talked to whom in each mesh, by which service, and what told it."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh.addresses import Addresses
from telemetry.mesh.recognise import DIALECTS
from telemetry.mesh.resolve import Clues, Hop, Resolver
from telemetry.mesh.workload import Workload
from tests.mesh import nodes
from tests.mesh.nodes import CONSUL, ENVOY_GATEWAY, KUMA, PLAIN, TRUST
from tests.mesh.test_recognise import SEEN_FROM, TEXTS

SIDECAR = nodes.istio("productpage", "10.0.0.1")
GATEWAY = nodes.istio("edge", "10.0.0.9", kind="router")
API = f"spiffe://{TRUST}/ns/default/dc/dc1/svc/api"
WEB = f"spiffe://{TRUST}/ns/default/dc/dc1/svc/web"


def resolve(*, dialect: str = "auto", known: dict[str, Workload] | None = None, **clues) -> Hop:
    addresses = Addresses()
    for address, workload in (known or {}).items():
        addresses.learn(address, workload)
    return Resolver(addresses, "Kubernetes", dialect).resolve(Clues(**({"protocol": "http"} | clues)))


def service(hop: Hop) -> tuple:
    return hop.service_host, hop.service_name, hop.service_namespace


def packed(text: str) -> bytes:
    wrapper = Any()
    wrapper.Pack(StringValue(value=text))
    return wrapper.SerializeToString()


def test_consuls_certificates_name_the_client_and_its_clusters_the_server():
    inbound = resolve(node=CONSUL, cluster="local_app", peer_sans=API, local_sans=WEB)
    assert (inbound.source.name, inbound.source.namespace, inbound.source_resolved_by) == (
        "api",
        "default",
        "principal",
    )
    assert (inbound.destination.name, inbound.destination_resolved_by) == ("web", "node")
    outbound = resolve(node=CONSUL, cluster=f"v2.api.default.dc1.internal.{TRUST}", reached=True)
    assert (outbound.destination.name, outbound.destination_resolved_by) == ("api", "cluster")
    assert outbound.source == inbound.destination


def test_both_sides_of_consuls_hop_agree_on_the_service():
    inbound = resolve(node=CONSUL, cluster="local_app", peer_sans=API, local_sans=WEB)
    outbound = resolve(node=PLAIN, cluster=f"web.default.dc1.internal.{TRUST}", reached=True)
    assert service(inbound) == service(outbound) == ("web.service.dc1.dc.consul", "web", "default")
    assert outbound.destination.name == inbound.destination.name


def test_consuls_denied_requests_are_the_servers_and_name_the_client():
    hop = resolve(node=CONSUL, peer_sans=API, local_sans=WEB)
    assert (hop.reporter, hop.source.name, hop.mtls) == ("inbound", "api", True)


def test_an_address_that_consuls_certificate_contradicts_is_not_believed():
    stale = {"10.0.0.5": Workload(name="old", namespace="default", canonical_service="old")}
    hop = resolve(node=CONSUL, cluster="local_app", peer_sans=API, local_sans=WEB, client_ip="10.0.0.5", known=stale)
    assert (hop.source.name, hop.source_resolved_by) == ("api", "principal")


def test_an_address_that_a_certificate_agrees_with_tells_more_than_the_certificate():
    known = {"10.0.0.5": Workload(name="api", namespace="default", instance="api-1", canonical_service="api")}
    hop = resolve(node=CONSUL, cluster="local_app", peer_sans=API, local_sans=WEB, client_ip="10.0.0.5", known=known)
    assert (hop.source.instance, hop.source_resolved_by) == ("api-1", "address")


def test_both_sides_of_kumas_hop_agree():
    sans = "spiffe://default/api_shop_svc_80,kuma://kuma.io/zone/east"
    inbound = resolve(node=KUMA, cluster="localhost:80", peer_sans=sans, local_sans=sans)
    outbound = resolve(node=PLAIN, cluster="kri_msvc_default_east_shop_web_80", reached=True)
    assert (inbound.source.name, inbound.source.namespace, inbound.source_resolved_by) == ("api", "shop", "principal")
    assert service(inbound) == service(outbound) == ("web.shop.svc.cluster.local", "web", "shop")
    assert outbound.destination.name == inbound.destination.name == "web"


def test_behind_envoy_gateways_route_is_the_service_of_the_workload_that_answered():
    known = {"10.0.0.2": Workload(name="web-v1", namespace="shop", canonical_service="web")}
    hop = resolve(node=ENVOY_GATEWAY, cluster="httproute/front/site/rule/0", server_ip="10.0.0.2", known=known)
    assert (hop.source.name, hop.destination.name, hop.destination_resolved_by) == ("edge", "web-v1", "address")
    assert service(hop) == ("web.shop.svc.cluster.local", "web", "shop")


def test_behind_envoy_gateways_route_to_strangers_the_route_stands_for_the_service():
    hop = resolve(node=ENVOY_GATEWAY, cluster="httproute/front/site/rule/0", authority="x.example", reached=True)
    assert service(hop) == ("site", "site", "front")
    assert (hop.destination.name, hop.destination_resolved_by) == (None, "cluster")


def test_envoy_gateways_route_names_the_service_of_a_call_that_found_no_host():
    hop = resolve(node=ENVOY_GATEWAY, route="httproute/front/site/rule/0/match/0/*", authority="x.example")
    assert service(hop) == ("site", "site", "front")
    assert (hop.destination.name, hop.destination.namespace) == (None, None)


def test_app_meshs_virtual_nodes_are_workloads():
    hop = resolve(node=nodes.APP_MESH, cluster="cds_egress_color_mesh_api_shop_http_80", reached=True)
    assert (hop.source.name, hop.destination.name, hop.destination.namespace) == ("web", "api", "shop")
    assert service(hop) == ("api_shop", "api", "shop")


def test_traffic_directors_numbered_services_go_by_their_host():
    hop = resolve(node=nodes.TRAFFIC_DIRECTOR, cluster="cloud_mp_830293263384_7265588390596584651", authority="api:80")
    assert (hop.source.name, *service(hop)) == ("web", "api", "api", None)


def test_a_plain_clusters_name_is_its_workloads_where_a_host_was_reached():
    hop = resolve(node=PLAIN, cluster="backend", reached=True)
    assert (hop.destination.name, hop.destination_resolved_by) == ("backend", "cluster")
    assert resolve(node=PLAIN, cluster="backend", reached=False).destination.name is None
    assert service(hop) == ("backend", "backend", None)


def test_an_istio_service_is_no_workload():
    hop = resolve(node=SIDECAR, cluster="outbound|80||reviews.shop.svc.cluster.local", reached=True)
    assert (hop.destination.name, hop.destination.namespace, hop.destination_resolved_by) == (None, None, "cluster")


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("reviews:9080", ("reviews.shop.svc.cluster.local", "reviews", "shop")),
        ("reviews.shop", ("reviews.shop.svc.cluster.local", "reviews", "shop")),
        ("reviews.other.svc.cluster.local", ("reviews.other.svc.cluster.local", "reviews", "other")),
        ("example.com", (None, None, None)),
        ("www.example.com", (None, None, None)),
    ],
)
def test_a_sidecars_call_that_found_no_host_still_names_the_service_it_meant(authority, expected):
    hop = resolve(node=SIDECAR, authority=authority, client_ip="10.0.0.1")
    assert service(hop) == expected
    assert hop.destination.name is None
    assert hop.destination_resolved_by == ("host" if expected[0] else None)


def test_a_gateways_call_that_found_no_host_names_nothing_its_client_made_up():
    assert service(resolve(node=GATEWAY, authority="reviews")) == (None, None, None)
    assert Resolver(Addresses(), "c").is_gateway(GATEWAY)
    assert not Resolver(Addresses(), "c").is_gateway(SIDECAR)


def test_a_connections_server_name_names_where_it_went():
    hop = resolve(node=SIDECAR, protocol="tcp", cluster="PassthroughCluster", sni="API.example.com")
    assert service(hop) == ("api.example.com", "PassthroughCluster", None)
    hop = resolve(node=PLAIN, protocol="tcp", cluster="egress", sni="api.example.com")
    assert (*service(hop), hop.destination_resolved_by) == ("api.example.com", "api.example.com", None, "sni")


def test_the_meshs_server_name_names_the_service_on_its_own_side():
    server = nodes.istio("reviews-v1", "10.0.0.2", LABELS={"app": "something"})
    hop = resolve(node=server, cluster="inbound|9080||", sni="outbound_.9080_._.reviews.shop.svc.cluster.local")
    assert service(hop) == ("reviews.shop.svc.cluster.local", "reviews", "shop")


def test_principals_in_filter_state_stand_in_for_the_certificates_names():
    me, you = packed("spiffe://td/ns/shop/sa/me"), packed("spiffe://td/ns/front/sa/you")
    hop = resolve(node=SIDECAR, cluster="inbound|80||", peer_principal=you, local_principal=me)
    assert (hop.source_principal, hop.destination_principal) == (
        "spiffe://td/ns/front/sa/you",
        "spiffe://td/ns/shop/sa/me",
    )
    assert (hop.source.namespace, hop.source_resolved_by, hop.mtls) == ("front", "principal", True)


def test_a_known_namespace_is_never_in_an_unknown_cluster():
    hop = resolve(node=SIDECAR, cluster="inbound|80||", peer_sans="spiffe://td/ns/front/sa/you")
    assert (hop.source.name, hop.source.namespace, hop.source.cluster) == (None, "front", "Kubernetes")


def test_the_configured_dialect_overrules_what_the_data_shows():
    hop = resolve(node=PLAIN, dialect="kuma", cluster="outbound|80||x.y.svc.cluster.local", reached=True)
    assert (hop.reporter, hop.service_name) == ("outbound", "outbound|80||x.y.svc.cluster.local")
    assert resolve(node=SIDECAR, dialect="plain").source.name == "productpage.shop"


def test_an_unknown_dialect_is_refused_at_the_start():
    with pytest.raises(KeyError, match="linkerd"):
        Resolver(Addresses(), "Kubernetes", "linkerd")


MAYBE = st.none() | TEXTS
BYTES = st.none() | st.binary(max_size=40) | TEXTS.map(packed)
CLUES = st.builds(
    Clues, node=SEEN_FROM, protocol=st.just("http"), cluster=MAYBE, route=MAYBE, authority=MAYBE, downstream_peer=BYTES,
    upstream_peer=BYTES, peer_sans=MAYBE, local_sans=MAYBE, sni=MAYBE, peer_principal=BYTES, local_principal=BYTES,
    client_ip=MAYBE, local_ip=MAYBE, server_ip=MAYBE, upstream_local_ip=MAYBE, reached=st.none() | st.booleans(),
)  # fmt: skip


@given(clues=CLUES, dialect=st.sampled_from(["auto", *DIALECTS]))
def test_whatever_the_clues_say_there_is_a_hop(clues, dialect):
    hop = Resolver(Addresses(), "Kubernetes", dialect).resolve(clues)
    assert hop.reporter in {"inbound", "outbound", "waypoint"}
    assert hop.source_resolved_by in {None, "node", "peer", "principal", "address"}
    assert hop.destination_resolved_by in {None, "node", "peer", "address", "cluster", "host", "sni"}
    for end in (hop.source, hop.destination):
        assert end.cluster or not (end.name or end.namespace)
