"""Services are found by host and address: the exact before the wide."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from telemetry.catalog import Index, Service
from telemetry.catalog.networks import Networks
from telemetry.mesh.workload import Workload


def index(*services: dict[str, object]) -> Index:
    return Index(Service.model_validate(service) for service in services)


def test_the_exact_host_wins_then_the_longest_wildcard() -> None:
    made = index(
        {"name": "all", "hosts": ["*.example.com"]},
        {"name": "shop", "hosts": ["*.shop.example.com"]},
        {"name": "one", "hosts": ["one.shop.example.com"]},
    )
    found = {host: (service := made.service_of_host(host)) and service.name for host in (
        "one.shop.example.com", "ONE.Shop.Example.Com.", "two.shop.example.com", "a.b.shop.example.com",
        "shop.example.com", "x.example.com", "example.com", "com", "", ".", "notexample.com",
    )}  # fmt: skip
    assert found == {
        "one.shop.example.com": "one", "ONE.Shop.Example.Com.": "one", "two.shop.example.com": "shop",
        "a.b.shop.example.com": "shop", "shop.example.com": "all", "x.example.com": "all", "example.com": None,
        "com": None, "": None, ".": None, "notexample.com": None,
    }  # fmt: skip


def test_a_service_in_a_namespace_has_its_kubernetes_hosts() -> None:
    made = index({"name": "web", "namespace": "shop"}, {"name": "other", "hosts": ["web.shop"]})
    assert made.service_of_host("web.shop.svc.cluster.local") is made.service_named("shop/web")
    assert made.service_of_host("web.shop.svc") is made.service_named("shop/web")
    assert made.service_of_host("web.shop") is made.service_named("other"), "what is written counts more"


def test_the_longest_prefix_wins_and_names_the_workload() -> None:
    made = index(
        {"name": "net", "addresses": ["10.0.0.0/8", "2001:db8::/32"]},
        {"name": "db", "namespace": "data", "workload": "db-main", "version": "v1", "addresses": ["10.1.0.0/16"]},
        {"name": "one", "addresses": ["10.1.0.1", "2001:db8::1"]},
    )
    found = [made.service_of_address(address) for address in ("10.2.3.4", "10.1.2.3", "10.1.0.1", "2001:db8::2")]
    assert [service.name for service in found if service] == ["net", "db", "one", "net"]
    assert made.service_of_address("2001:DB8:0::0001") is made.service_named("one")
    assert made.service_of_address("::ffff:10.1.0.1") is made.service_named("one")
    assert made.workload_of_address("10.1.2.3") == Workload(
        name="db-main", namespace="data", app="db", version="v1", canonical_service="db", canonical_revision="v1"
    )
    assert made.workload_of_address("192.0.2.1") is None


ADDRESSES = st.ip_addresses() | st.just(ipaddress.ip_address("10.0.0.1"))
NETWORKS = st.builds(
    lambda address, cut: str(ipaddress.ip_network(f"{address}/{cut % (address.max_prefixlen + 1)}", strict=False)),
    st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.sampled_from([ipaddress.ip_address("10.0.0.1")]),
    st.integers(0, 128),
)


@given(st.lists(NETWORKS, unique=True, max_size=20), st.lists(ADDRESSES))
def test_networks_agree_with_the_standard_library(networks, addresses) -> None:  # type: ignore[no-untyped-def]
    made = Networks((network, network) for network in networks)
    inside = [ipaddress.ip_network(network)[0] for network in networks]
    for address in [*addresses, *inside, *addresses]:
        if getattr(address, "ipv4_mapped", None):
            continue
        holders = [network for network in map(ipaddress.ip_network, networks) if address in network]
        longest = max(holders, key=lambda network: network.prefixlen, default=None)
        assert made.find(str(address)) == (str(longest) if longest else None)


@given(st.text(max_size=60))
def test_no_text_makes_a_look_up_raise(text: str) -> None:
    made = index({"name": "a", "hosts": ["*.example.com"], "addresses": ["0.0.0.0/0", "::/0"]})
    made.service_of_host(text)
    made.service_of_host(f"{text}.example.com")
    made.service_of_address(text)


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    made = Networks([("10.0.0.0/8", "a")], memory=100)
    for number in range(1000):
        assert made.find(f"10.0.{number // 256}.{number % 256}") == "a"
        assert made.find(f"192.0.{number // 256}.{number % 256}") is None
    assert len(made._remembered) <= 100
