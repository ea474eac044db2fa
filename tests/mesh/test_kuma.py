"""Kuma's names are read as Kuma writes them, legacy and unified."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.mesh import kuma
from telemetry.mesh.dialect import INBOUND, OUTBOUND, ClusterName
from telemetry.node import ANONYMOUS
from tests.mesh.nodes import KUMA, KUMA_INGRESS, KUMA_UNIVERSAL

LABEL = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)
WEB = "web.shop.svc.cluster.local"


def to(host, service, namespace=None, port=None, zone=None) -> ClusterName:
    return ClusterName(OUTBOUND, host, service, namespace, port, datacenter=zone, names_workload=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost:8080", ClusterName(INBOUND, port="8080")),
        ("self_inbound_dp_8080", ClusterName(INBOUND, port="8080")),
        ("self_inbound_httpport", ClusterName(INBOUND, port="httpport")),
        ("kri_dp_default_east_shop_web-app_8080", ClusterName(INBOUND, port="8080")),
        ("kri_msvc_default_east_shop_web_httpport", to(WEB, "web", "shop", "httpport", "east")),
        ("kri_msvc_default_east__web_80", to("web.mesh", "web", None, "80", "east")),
        ("kri_mzsvc_default__shop_web_80", to(WEB, "web", "shop", "80")),
        ("kri_extsvc_default__kuma-system_es1_", to("es1.kuma-system.svc.cluster.local", "es1", "kuma-system")),
        ("kri_mhttpr_default_east_shop_route-1_rule_0", ClusterName(OUTBOUND)),
        ("kri_msvc_too_short", None),
        ("default_web_shop_east_msvc_80", to(WEB, "web", "shop", "80", "east")),
        ("default_web_shop_east_msvc_80-5d788f7a87b92639", to(WEB, "web", "shop", "80", "east")),
        ("default_web__east_mzsvc_80", to("web.mesh", "web", None, "80", "east")),
        ("web_shop_svc_80", to(WEB, "web", "shop", "80")),
        ("web_shop_svc_80-5d788f7a87b92639", to(WEB, "web", "shop", "80")),
        ("outbound:passthrough:ipv4", ClusterName(OUTBOUND, special=True)),
        ("inbound:passthrough:ipv6", ClusterName(INBOUND, special=True)),
        ("self_transparentproxy_passthrough_outbound_ipv4", ClusterName(OUTBOUND, special=True)),
        ("kuma:envoy:admin", None),
        ("_kuma:dynamicconfig", None),
        ("backend", None),
        ("", None),
    ],
)
def test_clusters_are_read(name, expected):
    assert kuma.cluster_name(name, ANONYMOUS) == expected


def test_to_kumas_own_node_any_other_name_is_a_services_tag():
    assert kuma.cluster_name("backend", KUMA) == to("backend.mesh", "backend")
    assert kuma.cluster_name("backend-5d788f7a87b92639", KUMA) == to("backend.mesh", "backend")
    assert kuma.cluster_name("kuma:metrics:hijacker", KUMA) is None


@given(LABEL, LABEL, LABEL, LABEL | st.just(""), LABEL)
def test_a_resource_identifier_is_taken_apart_again(mesh, zone, namespace, name, section):
    told = kuma.cluster_name(f"kri_msvc_{mesh}_{zone}_{namespace}_{name or 'x'}_{section}", ANONYMOUS)
    assert (told.datacenter, told.namespace, told.service, told.port) == (zone, namespace, name or "x", section)


@pytest.mark.parametrize(
    ("uri", "namespace", "service", "account", "zone"),
    [
        ("spiffe://default/web_shop_svc_80", "shop", "web", None, None),
        ("spiffe://default/web", None, "web", None, None),
        ("spiffe://default.east.mesh.local/ns/shop/sa/web", "shop", None, "web", "east"),
        ("spiffe://default.east.mesh.local/workload/web", None, "web", None, "east"),
    ],
)
def test_certificates_are_read(uri, namespace, service, account, zone):
    found = kuma.identity(uri)
    assert (found.namespace, found.service, found.service_account, found.datacenter) == (
        namespace, service, account, zone,
    )  # fmt: skip


def test_a_dataplane_is_its_service():
    workload = kuma.proxy(KUMA).workload
    assert (workload.name, workload.namespace, workload.instance) == ("web", "shop", "web-7f99.shop")
    assert kuma.proxy(KUMA_UNIVERSAL).workload.name == "web"
    assert kuma.proxy(KUMA_INGRESS).kind == "gateway"
