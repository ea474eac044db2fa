"""Workloads are named as Istio names them."""

import pytest

from telemetry.kubernetes import objects, records
from telemetry.kubernetes.pods import Pods
from telemetry.kubernetes.services import Services
from telemetry.mesh.workload import Workload
from tests.kubernetes.things import Item, endpoints, pod, reference, service


def answering(*items: Item, cluster: str | None = None) -> dict[str, Workload]:
    pods = Pods(cluster, 100)
    for item in items:
        pods.pods.put(records.pod(objects.Pod.model_validate(item)))
    return pods.addresses()


@pytest.mark.parametrize(
    ("owner", "labels", "name", "owner_path"),
    [
        (None, {}, "x-1", "v1/namespaces/shop/pods/x-1"),
        (reference("ReplicaSet", "x-6c4d"), {}, "x-6c4d", "apps/v1/namespaces/shop/replicasets/x-6c4d"),
        (
            reference("ReplicaSet", "x-6c4d"), {"pod-template-hash": "6c4d"},
            "x", "apps/v1/namespaces/shop/deployments/x",
        ),
        (
            reference("ReplicaSet", "x-y"), {"pod-template-hash": "6c4d"},
            "x-y", "apps/v1/namespaces/shop/replicasets/x-y",
        ),
        (reference("StatefulSet", "db"), {}, "db", "apps/v1/namespaces/shop/statefulsets/db"),
        (reference("Job", "nightly-28000000", "batch/v1"), {}, "nightly", "batch/v1/namespaces/shop/cronjobs/nightly"),
        (reference("Job", "once-1", "batch/v1"), {}, "once-1", "batch/v1/namespaces/shop/jobs/once-1"),
        (
            reference("StatefulSet", "db"), {"service.istio.io/workload-name": "store"},
            "store", "apps/v1/namespaces/shop/statefulsets/db",
        ),
    ],
)  # fmt: skip
def test_the_one_who_looks_after_a_pod_names_its_workload(
    owner: Item | None, labels: dict[str, str], name: str, owner_path: str
) -> None:
    found = answering(pod("shop", "x-1", "10.0.0.1", owner=owner, labels=labels))["10.0.0.1"]
    assert (found.name, found.owner) == (name, f"kubernetes://apis/{owner_path}")
    assert found.canonical_service == name


def test_labels_give_app_version_and_the_canonical_names() -> None:
    labels = {"app": "a", "version": "v2", "app.kubernetes.io/name": "shop-a", "secret": "not kept"}
    found = answering(pod("shop", "x", "10.0.0.1", labels=labels), cluster="eu")["10.0.0.1"]
    assert (found.app, found.version, found.cluster) == ("a", "v2", "eu")
    assert (found.canonical_service, found.canonical_revision) == ("shop-a", "v2")
    bare = answering(pod("shop", "x", "10.0.0.1"))["10.0.0.1"]
    assert (bare.app, bare.version, bare.canonical_revision) == ("", "", "latest")


def test_a_pod_answers_on_all_its_addresses() -> None:
    assert set(answering(pod("shop", "x", "10.0.0.1", "fd00::1"))) == {"10.0.0.1", "fd00::1"}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_has_no_address(phase: str) -> None:
    assert answering(pod("shop", "x", "10.0.0.1", phase=phase)) == {}


def test_a_pod_on_its_nodes_network_has_no_address_of_its_own() -> None:
    assert answering(pod("shop", "x", "10.0.0.1", host_network=True)) == {}


def test_an_address_given_on_is_the_new_pods_while_the_old_one_is_ending() -> None:
    old = pod("shop", "old", "10.0.0.1", created="2026-01-02T00:00:00Z", ending=True)
    new = pod("shop", "new", "10.0.0.1")
    for order in ((old, new), (new, old)):
        assert answering(*order)["10.0.0.1"].name == "new"


def hosts(*items: Item) -> dict[str, str]:
    made = Services("cluster.local", 100)
    for item in items:
        if item["kind"] == "Service":
            made.services.put(records.service(objects.Service.model_validate(item)))
        else:
            made.slices.put(records.slice_(objects.EndpointSlice.model_validate(item)))
    return made.hosts()


def test_every_address_of_a_service_leads_to_it_and_headless_ones_have_none() -> None:
    found = hosts(
        service("shop", "web", "10.96.0.1", "fd00::1", external=("192.0.2.1",), balancer="203.0.113.1"),
        service("shop", "headless"),
    )
    assert set(found) == {"10.96.0.1", "fd00::1", "192.0.2.1", "203.0.113.1"}
    assert set(found.values()) == {"web.shop.svc.cluster.local"}


def test_an_endpoint_leads_to_its_service_unless_it_is_of_two() -> None:
    one = hosts(endpoints("shop", "s1", "web", "10.0.0.1"), endpoints("shop", "s2", "web", "10.0.0.1"))
    assert one == {"10.0.0.1": "web.shop.svc.cluster.local"}
    assert hosts(endpoints("shop", "s1", "web", "10.0.0.1"), endpoints("shop", "s2", "api", "10.0.0.1")) == {}


def test_endpoints_that_are_names_are_no_addresses() -> None:
    item = endpoints("shop", "s1", "web", "db.example.com") | {"addressType": "FQDN"}
    assert hosts(item) == {}


def test_lists_that_go_writes_as_null_are_empty() -> None:
    item = pod("shop", "x", "10.0.0.1") | {}
    item["metadata"] |= {"labels": None, "ownerReferences": None}
    assert answering(item)["10.0.0.1"].name == "x"
