"""Whatever happens in the cluster and on the way to it, what is known ends up as what the server has."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.kubernetes import Cluster
from telemetry.kubernetes.pods import Pods
from telemetry.kubernetes.records import Owner, OwnerRecord, PodRecord
from tests.kubernetes.server import KINDS, ApiServer, serving
from tests.kubernetes.things import endpoints, pod, reference, replica_set, service
from tests.kubernetes.watching import until, watching

Item = dict[str, Any]
NAMES = st.sampled_from(["p0", "p1", "p2", "p3"])
SPACES = st.sampled_from(["a", "b"])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
SETS = {"web-abc": "web", "db-xyz": "db"}
CREATED = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])


@st.composite
def pods(draw: st.DrawFn) -> Item:
    owner = draw(st.none() | st.sampled_from(list(SETS)))
    labels = {"pod-template-hash": owner.rpartition("-")[2]} if owner and draw(st.booleans()) else {}
    return pod(
        draw(SPACES),
        draw(NAMES),
        *draw(st.lists(ADDRESSES, max_size=2, unique=True)),
        owner=reference("ReplicaSet", owner) if owner else None,
        labels=labels,
        phase=draw(st.sampled_from(["Running", "Running", "Pending", "Succeeded", "Failed"])),
        host_network=draw(st.integers(0, 5)) == 0,
        created=draw(CREATED),
        ending=draw(st.booleans()),
    )


PUTS = (
    st.tuples(st.just("put"), st.just("pods"), pods())
    | st.tuples(
        st.just("put"),
        st.just("replicasets"),
        st.builds(lambda space, name: replica_set(space, name, SETS[name]), SPACES, st.sampled_from(list(SETS))),
    )
    | st.tuples(
        st.just("put"),
        st.just("services"),
        st.builds(lambda space, name, ips: service(space, name, *ips), SPACES, NAMES, st.lists(ADDRESSES, max_size=1)),
    )
    | st.tuples(
        st.just("put"),
        st.just("endpointslices"),
        st.builds(
            lambda space, name, of, ips: endpoints(space, name, of, *ips),
            SPACES,
            NAMES,
            NAMES,
            st.lists(ADDRESSES, max_size=2),
        ),
    )
)
EVENTS = (
    PUTS
    | PUTS
    | st.tuples(st.just("delete"), st.sampled_from(["pods", "services", "endpointslices"]), SPACES, NAMES)
    | st.tuples(st.just("delete"), st.just("replicasets"), SPACES, st.sampled_from(list(SETS)))
)
FAULTS = (
    st.tuples(st.just("cut"), st.sampled_from(["clean", "broken", "expired"]))
    | st.tuples(st.just("compact"), st.sampled_from(["http", "event"]))
    | st.tuples(st.just("refuse"), st.sampled_from([401, 403, 410, 429, 500, 503]), st.integers(1, 4))
    | st.tuples(st.just("bookmark"))
    | st.tuples(st.just("pause"), st.integers(1, 5))
)


async def step(server: ApiServer, what: tuple[Any, ...]) -> None:
    match what:
        case "put", kind, item:
            server.put(kind, item)
        case "delete", kind, space, name:
            server.delete(kind, space, name)
        case "cut", how:
            server.cut(how)
        case "compact", gone_as:
            server.compact(gone_as)
        case "refuse", code, times:
            server.refusals += [(code, "no")] * times
        case ("bookmark",):
            server.bookmark()
        case ("restart",):
            await server.restart()
        case "pause", turns:
            for _ in range(turns):
                await asyncio.sleep(0.002)


def expected_pods(server: ApiServer) -> dict[str, tuple[str, str, str]]:
    """Namespace, pod and workload by address, the slow and plain way."""
    found: dict[str, tuple[str, str, str]] = {}
    alive = [one for one in server.objects["pods"].values() if one["status"]["phase"] in {"Running", "Pending"}]
    alive = [one for one in alive if "hostNetwork" not in one["spec"]]
    ranked = sorted(
        alive,
        key=lambda one: (
            "deletionTimestamp" not in one["metadata"],
            one["metadata"]["creationTimestamp"],
            one["metadata"]["namespace"],
            one["metadata"]["name"],
        ),
    )
    for one in ranked:
        space, name = one["metadata"]["namespace"], one["metadata"]["name"]
        for ip in one["status"].get("podIPs", []):
            found[ip["ip"]] = (space, name, expected_workload(server, one["metadata"]))
    return found


def expected_workload(server: ApiServer, meta: Item) -> str:
    owner = next((one["name"] for one in meta.get("ownerReferences", []) if one.get("controller")), None)
    if owner is None:
        return meta["name"]
    if (meta["namespace"], owner) in server.objects["replicasets"] or "pod-template-hash" in meta.get("labels", {}):
        return SETS[owner]
    return owner


def expected_hosts(server: ApiServer) -> dict[str, str]:
    own: dict[str, set[str]] = {}
    behind: dict[str, set[str]] = {}
    for (space, name), one in server.objects["services"].items():
        for ip in one["spec"]["clusterIPs"]:
            own.setdefault(ip, set()).add(f"{name}.{space}.svc.cluster.local")
    for (space, _), one in server.objects["endpointslices"].items():
        of = one["metadata"]["labels"]["kubernetes.io/service-name"]
        for endpoint in one["endpoints"] or ():
            for ip in endpoint["addresses"]:
                behind.setdefault(ip, set()).add(f"{of}.{space}.svc.cluster.local")
    own.pop("None", None)
    claims = {**behind, **own}
    return {ip: next(iter(hosts)) for ip, hosts in claims.items() if len(hosts) == 1}


def known_pods(cluster: Cluster) -> dict[str, tuple[str | None, str | None, str | None]]:
    return {ip: (one.namespace, one.instance, one.name) for ip, one in cluster.pods.addresses().items()}


def agrees(server: ApiServer, cluster: Cluster) -> bool:
    return known_pods(cluster) == expected_pods(server) and cluster.services.hosts() == expected_hosts(server)


async def scenario(schedule: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with serving() as server, watching(server, Path(folder)) as cluster:
            for what in schedule:
                await step(server, what)
            server.refusals.clear()
            await until(lambda: not cluster.not_ready())
            await until(lambda: agrees(server, cluster))
            # And it stays so, when all that is on the way has come.
            await until(lambda: server.watches == len(KINDS))
            server.bookmark()
            assert agrees(server, cluster)


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS | EVENTS | FAULTS, max_size=30))
def test_after_any_schedule_of_events_and_faults_we_know_what_the_server_has(schedule: list[tuple[Any, ...]]) -> None:
    asyncio.run(scenario(schedule))


@settings(max_examples=5, deadline=None)
@given(st.lists(EVENTS | st.tuples(st.just("restart")), max_size=8).map(lambda some: [*some, ("restart",)]))
def test_restarts_of_the_server_change_nothing_of_that(schedule: list[tuple[Any, ...]]) -> None:
    asyncio.run(scenario(schedule))


RECORDS = st.builds(
    PodRecord,
    st.tuples(SPACES, NAMES),
    st.lists(ADDRESSES, max_size=2, unique=True).map(tuple),
    st.just(()),
    st.none() | st.sampled_from(list(SETS)).map(lambda name: Owner("apps/v1", "ReplicaSet", name)),
    CREATED,
    st.booleans(),
)
OWNERS = st.builds(
    lambda space, name: OwnerRecord((space, name), Owner("apps/v1", "Deployment", SETS[name])),
    SPACES,
    st.sampled_from(list(SETS)),
)


@given(
    st.lists(RECORDS, unique_by=lambda one: one.key),
    st.lists(OWNERS, unique_by=lambda one: one.key),
    st.lists(RECORDS),
    st.randoms(use_true_random=False),
)
def test_the_order_of_events_makes_no_difference(last, owners, before, random) -> None:  # type: ignore[no-untyped-def]
    straight, crooked = Pods("c", 1000), Pods("c", 1000)
    for record in last:
        straight.pods.put(record)
    for record in owners:
        straight.owners["ReplicaSet"].put(record)
    for record in before:
        crooked.pods.put(record)
    everything = [(crooked.pods, last), (crooked.owners["ReplicaSet"], owners)]
    random.shuffle(everything)
    for store, records in everything:
        store.replace(None, random.sample(records, len(records)))
    assert crooked.addresses() == straight.addresses()
    crooked.pods.replace(None, [])
    assert crooked.addresses() == {}
    assert not crooked._claims
    assert not crooked._owned
