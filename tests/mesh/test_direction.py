"""Whose side reports: each rule of the list, for requests that failed too."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue

from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Clues, Resolver
from tests.mesh import nodes
from tests.mesh.nodes import TRUST, node

SIDECAR = nodes.istio("web", "10.0.0.1")
GATEWAY = nodes.istio("edge", "10.0.0.9", kind="router")
API = f"spiffe://{TRUST}/ns/default/dc/dc1/svc/api"
WAYPOINT = nodes.istio("waypoint", "10.0.0.8", kind="waypoint")


def packed(text: str) -> bytes:
    wrapper = Any()
    wrapper.Pack(StringValue(value=text))
    return wrapper.SerializeToString()


def logging_as(log_name: str):
    return node("edge-1", "edge", log_name)


@pytest.mark.parametrize(
    ("rule", "clues", "reporter"),
    [
        ("1 gateway", Clues(GATEWAY, "http", peer_sans="spiffe://td/ns/a/sa/b", local_ip="10.0.0.9"), "outbound"),
        ("1 gateway", Clues(nodes.CONSUL_GATEWAY, "http", cluster="local_app"), "outbound"),
        ("1 waypoint", Clues(WAYPOINT, "http", cluster="inbound|80||"), "waypoint"),
        ("1 waypoint", Clues(WAYPOINT, "http", cluster="main_internal"), "waypoint"),
        ("2 cluster", Clues(SIDECAR, "http", cluster="inbound|80||", client_ip="10.0.0.1"), "inbound"),
        ("2 cluster", Clues(nodes.CONSUL, "http", cluster="local_app"), "inbound"),
        ("2 cluster", Clues(nodes.KUMA, "tcp", cluster="localhost:80"), "inbound"),
        ("2 cluster", Clues(nodes.APP_MESH, "http", cluster="cds_ingress_color_mesh_web_shop_http_80"), "inbound"),
        ("2 before 4", Clues(SIDECAR, "http", cluster="PassthroughCluster", local_ip="10.0.0.1"), "outbound"),
        ("3 peers", Clues(SIDECAR, "http", downstream_peer=b"x", client_ip="10.0.0.1"), "inbound"),
        ("3 peers", Clues(SIDECAR, "http", upstream_peer=b"x", local_ip="10.0.0.1"), "outbound"),
        ("3 both is neither", Clues(SIDECAR, "http", downstream_peer=b"x", upstream_peer=b"x"), "outbound"),
        ("4 addresses", Clues(SIDECAR, "http", local_ip="10.0.0.1"), "inbound"),
        ("4 addresses", Clues(SIDECAR, "http", client_ip="10.0.0.1"), "outbound"),
        ("4 caught", Clues(SIDECAR, "http", client_ip="10.0.0.1", local_ip="10.0.0.1"), "outbound"),
        (
            "4 itself",
            Clues(SIDECAR, "http", client_ip="10.0.0.1", local_ip="10.0.0.1", peer_sans="spiffe://td/ns/a/sa/b"),
            "inbound",
        ),
        ("5 loopback", Clues(nodes.PLAIN, "http", cluster="app", server_ip="127.0.0.1"), "inbound"),
        ("5 loopback", Clues(nodes.PLAIN, "http", cluster="app", client_ip="127.0.0.1"), "outbound"),
        ("5 bind", Clues(SIDECAR, "http", upstream_local_ip="127.0.0.6"), "inbound"),
        ("5 certificate", Clues(nodes.CONSUL, "http", peer_sans=API), "inbound"),
        ("5 certificate", Clues(SIDECAR, "http", peer_principal=packed("spiffe://td/ns/a/sa/b")), "inbound"),
        ("5 not an edge's", Clues(nodes.PLAIN, "http", cluster="app", peer_sans="spiffe://td/ns/a/sa/b"), "outbound"),
        ("6 log name", Clues(logging_as("inbound_http"), "http", cluster="app"), "inbound"),
        ("6 log name", Clues(logging_as("server-accesslog-stackdriver"), "http"), "inbound"),
        ("6 log name", Clues(logging_as("client-accesslog-stackdriver"), "http"), "outbound"),
        ("6 log name", Clues(logging_as("http_envoy_accesslog"), "http"), "outbound"),
        ("7 route", Clues(SIDECAR, "http", route="block_all"), "outbound"),
        ("7 else", Clues(SIDECAR, "http", route="default"), "outbound"),
    ],
)  # fmt: skip
def test_the_first_rule_that_applies_tells_the_side(rule, clues, reporter):
    assert Resolver(Addresses(), "Kubernetes").resolve(clues).reporter == reporter, rule
