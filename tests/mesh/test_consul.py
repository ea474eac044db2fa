"""Consul's names are read as Consul writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh import consul
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName
from telemetry.node import ANONYMOUS
from tests.mesh.nodes import CONSUL, CONSUL_GATEWAY, TRUST, node

LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)


def named(**fields) -> ClusterName:
    fields = {"namespace": "default", "names_workload": True} | fields
    return ClusterName(OUTBOUND, **fields)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"web.default.dc1.internal.{TRUST}", named(host="web.service.dc1.dc.consul", service="web", datacenter="dc1")),
        (f"v2.web.default.dc1.internal.{TRUST}",
         named(host="web.service.dc1.dc.consul", service="web", datacenter="dc1", subset="v2")),
        (f"web.shop.dc1.internal.{TRUST}",
         named(host="web.service.shop.ns.dc1.dc.consul", service="web", namespace="shop", datacenter="dc1")),
        (f"web.shop.team.dc1.internal-v1.{TRUST}",
         named(host="web.service.shop.ns.team.ap.dc1.dc.consul", service="web", namespace="shop", partition="team",
               datacenter="dc1")),
        (f"v2.web.shop.team.dc1.internal-v1.{TRUST}",
         named(host="web.service.shop.ns.team.ap.dc1.dc.consul", service="web", namespace="shop", partition="team",
               datacenter="dc1", subset="v2")),
        (f"web.default.default.east.external.{TRUST}",
         named(host="web.service.east.peer.consul", service="web", partition="default", peer="east")),
        (f"1a2b3c~web.default.dc1.internal.{TRUST}",
         named(host="web.service.dc1.dc.consul", service="web", datacenter="dc1")),
        (f"nearest.default.dc1.query.{TRUST}",
         named(host="nearest.service.dc1.dc.consul", service="nearest", datacenter="dc1", names_workload=False)),
        (f"dc2.internal.{TRUST}", ClusterName(OUTBOUND, datacenter="dc2")),
        ("local_app", ClusterName(INBOUND)),
        ("original-destination", ClusterName(OUTBOUND, special=True)),
        (f"a.b.c.d.e.f.g.internal.{TRUST}", None),
        (f"..dc1.internal.{TRUST}", None),
        ("web.default.dc1.internal.example.com", None),
        ("local_agent", None),
        ("", None),
    ],
)  # fmt: skip
def test_clusters_are_read(name, expected):
    assert consul.cluster_name(name, ANONYMOUS) == expected


@given(LABEL, LABEL, LABEL, st.none() | LABEL, st.none() | LABEL, st.none() | LABEL)
def test_what_consul_joins_is_taken_apart_again(service, namespace, datacenter, partition, subset, custom):
    parts = [subset, service, namespace, partition, datacenter, "internal-v1" if partition else "internal", TRUST]
    name = (f"{custom}~" if custom else "") + ".".join(part for part in parts if part)
    told = consul.cluster_name(name, ANONYMOUS)
    assert (told.subset, told.service, told.namespace, told.partition, told.datacenter) == (
        subset, service, namespace, partition, datacenter,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "service", "namespace", "kind"),
    [
        ("/ns/default/dc/dc1/svc/web", "web", "default", "workload"),
        ("/ap/team/ns/shop/dc/dc1/svc/web%2Fv1", "web/v1", "shop", "workload"),
        ("/gateway/mesh/dc/dc1", "mesh-gateway", None, "gateway"),
        ("/ap/team/gateway/mesh/dc/dc1", "mesh-gateway", None, "gateway"),
        ("/agent/client/dc/dc1/id/vm-1", None, None, "agent"),
        ("/agent/server/dc/dc1", None, None, "agent"),
        ("", None, None, "workload"),
    ],
)
def test_certificates_are_read(path, service, namespace, kind):
    found = consul.identity(f"spiffe://{TRUST}{path}")
    assert (found.service, found.namespace, found.kind) == (service, namespace, kind)
    assert found.trust_domain == TRUST


def test_a_datacenter_and_a_partition_are_in_the_certificate():
    found = consul.identity(f"spiffe://{TRUST}/ap/team/ns/shop/dc/dc1/svc/web")
    assert (found.partition, found.datacenter) == ("team", "dc1")


def test_a_sidecar_is_its_service():
    proxy = consul.proxy(CONSUL)
    assert (proxy.kind, proxy.workload.name, proxy.workload.namespace) == ("sidecar", "web", "default")
    assert proxy.workload.instance == "web-sidecar-proxy"
    assert consul.proxy(node("api-sidecar-proxy")).workload.name == "api"


def test_a_mesh_gateway_is_a_gateway():
    assert consul.proxy(CONSUL_GATEWAY).kind == "gateway"
    assert consul.proxy(node("payment-gateway-sidecar-proxy", "payment-gateway")).kind == "sidecar"
