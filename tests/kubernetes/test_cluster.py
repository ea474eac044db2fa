"""What is known of a cluster is what its API server has: at first, after each change, and after whatever goes wrong."""

import asyncio
import json
from pathlib import Path

import pytest

from telemetry.config import KubernetesSettings
from telemetry.errors import StartError
from telemetry.kubernetes import Cluster
from telemetry.mesh.addresses import UNKNOWN, Addresses
from tests.kubernetes.server import KINDS, ApiServer, serving
from tests.kubernetes.things import endpoints, job, pod, reference, replica_set, service
from tests.kubernetes.watching import Lists, synced, until, watching


def populate(server: ApiServer) -> None:
    server.put("replicasets", replica_set("shop", "reviews-6c4d", "reviews"))
    labels = {"app": "reviews", "version": "v1", "pod-template-hash": "6c4d"}
    for number in range(5):
        owner = reference("ReplicaSet", "reviews-6c4d")
        server.put("pods", pod("shop", f"reviews-6c4d-{number}", f"10.0.0.{number}", owner=owner, labels=labels))
    server.put("services", service("shop", "reviews", "10.96.0.1", "fd00::1"))
    server.put("endpointslices", endpoints("shop", "reviews-x", "reviews", "10.0.0.1", "10.0.0.2", "192.0.2.7"))


def name(cluster: Cluster, address: str) -> str | None:
    found = cluster.workload_of_address(address)
    return found.name if found else None


async def test_what_is_there_at_the_start_is_known_page_by_page(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        async with watching(server, tmp_path) as cluster:
            await synced(cluster)
            found = cluster.workload_of_address("10.0.0.4")
            assert found is not None
            assert (found.name, found.namespace, found.instance) == ("reviews", "shop", "reviews-6c4d-4")
            assert (found.app, found.version, found.cluster) == ("reviews", "v1", "Kubernetes")
            assert found.owner == "kubernetes://apis/apps/v1/namespaces/shop/deployments/reviews"
            assert (found.canonical_service, found.canonical_revision) == ("reviews", "v1")
            assert cluster.host_of_address("10.96.0.1") == "reviews.shop.svc.cluster.local"
            assert cluster.host_of_address("fd00::1") == "reviews.shop.svc.cluster.local"
            assert cluster.host_of_address("192.0.2.7") == "reviews.shop.svc.cluster.local"
            assert cluster.objects() == {
                "pods": 5, "services": 1, "endpointslices": 1, "replicasets": 1, "jobs": 0
            }  # fmt: skip
        pages = [query for what, kind, query in server.requests if (what, kind) == ("list", "pods")]
        assert [("continue" in query, query["limit"]) for query in pages] == [(False, "2"), (True, "2"), (True, "2")]


async def test_changes_arrive_and_deleted_pods_leave(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            server.put("pods", pod("shop", "db-0", "10.0.0.9", owner=reference("StatefulSet", "db")))
            await until(lambda: name(cluster, "10.0.0.9") == "db")
            server.put("pods", pod("shop", "db-0", "10.0.0.10", owner=reference("StatefulSet", "db")))
            await until(lambda: name(cluster, "10.0.0.10") == "db")
            assert name(cluster, "10.0.0.9") is None
            server.delete("pods", "shop", "db-0")
            await until(lambda: name(cluster, "10.0.0.10") is None)
            assert lists.told.count(("pods", "start")) == len(lists.of("pods")) == 1


async def test_an_owner_that_comes_late_names_its_pods(tmp_path: Path) -> None:
    async with serving() as server, watching(server, tmp_path) as cluster:
        await synced(cluster)
        owner = reference("Job", "nightly-abc", "batch/v1")
        server.put("pods", pod("shop", "nightly-abc-1", "10.0.0.1", owner=owner))
        await until(lambda: name(cluster, "10.0.0.1") == "nightly-abc")
        server.put("jobs", job("shop", "nightly-abc", "nightly"))
        await until(lambda: name(cluster, "10.0.0.1") == "nightly")


@pytest.mark.parametrize("how", ["clean", "broken"])
async def test_a_watch_that_ends_goes_on_from_where_it_was(tmp_path: Path, how: str) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            server.bookmark()
            marked = str(server.version)
            await until(lambda: {one._version for one in cluster._reflectors} == {marked})
            server.cut(how)
            server.put("pods", pod("shop", "new", "10.0.0.9"))
            await until(lambda: name(cluster, "10.0.0.9") == "new")
            assert lists.of("pods") == ["start"]
            watches = [query for what, kind, query in server.requests if (what, kind) == ("watch", "pods")]
            assert watches[-1]["resourceVersion"] == marked, "bookmarks move a quiet watch on"


@pytest.mark.parametrize("gone_as", ["http", "event"])
async def test_an_expired_version_leads_to_a_new_list_that_forgets_only_what_has_gone(
    tmp_path: Path, gone_as: str
) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            server.cut("clean")
            server.delete("pods", "shop", "reviews-6c4d-0")
            server.put("pods", pod("shop", "new", "10.0.0.9"))
            server.compact(gone_as)
            while "expired" not in lists.of("pods"):
                assert name(cluster, "10.0.0.1") == "reviews", "at no time is a pod forgotten that stayed"
                await asyncio.sleep(0)
            assert set(cluster.pods.addresses()) == {*(f"10.0.0.{number}" for number in (1, 2, 3, 4, 9))}


async def test_an_error_event_in_a_running_watch_leads_to_a_new_list(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            server.cut("expired")
            await until(lambda: lists.of("pods") == ["start", "expired"])
            assert name(cluster, "10.0.0.1") == "reviews"


async def test_a_list_whose_pages_expire_is_read_in_one_piece(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        server._snapshots = Forgetful()
        async with watching(server, tmp_path) as cluster:
            await synced(cluster)
            assert len(cluster.pods.addresses()) == 5
        pages = [query for what, kind, query in server.requests if (what, kind) == ("list", "pods")]
        assert ["limit" in query for query in pages] == [True, True, False]


class Forgetful(dict):
    def __setitem__(self, *_: object) -> None:
        """Keep nothing."""


async def test_a_server_that_restarts_with_new_versions_is_followed(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            await server.stop()
            server.delete("pods", "shop", "reviews-6c4d-1")
            server.compact()
            await until(lambda: len(cluster.problems()) == len(KINDS))
            assert name(cluster, "10.0.0.1") == "reviews", "what was known stays known while the server is away"
            assert not cluster.not_ready()
            await server.start()
            await until(lambda: name(cluster, "10.0.0.1") is None)
            await until(lambda: not cluster.problems())
            assert name(cluster, "10.0.0.2") == "reviews"


async def test_a_server_with_lower_versions_than_ours_is_listed_again(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        async with watching(server, tmp_path) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            await server.stop()
            server._history.clear()
            server.version = server._compacted = 2
            await server.start()
            server.put("pods", pod("shop", "new", "10.0.0.9"))
            await until(lambda: name(cluster, "10.0.0.9") == "new")


async def test_unauthorised_is_said_and_tried_again_with_credentials_read_anew(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        async with watching(server, tmp_path, token="old") as cluster:
            await until(lambda: len(cluster.problems()) == len(KINDS))
            assert cluster.not_ready()["kubernetes pods"] == "401 Unauthorized"
            (tmp_path / "kubeconfig").write_text(server.kubeconfig("good"))
            await synced(cluster)
            await until(lambda: not cluster.problems())


async def test_a_kind_that_may_not_be_read_is_named_in_the_servers_words(tmp_path: Path) -> None:
    words = 'pods is forbidden: User "telemetry" cannot list resource "pods" at the cluster scope'
    async with serving() as server:
        server.refusals = [(403, words)] * 200
        async with watching(server, tmp_path) as cluster:
            await until(lambda: len(cluster.not_ready()) == len(KINDS) == len(cluster.problems()))
            assert set(cluster.not_ready().values()) == {f"403 {words}"}
            await synced(cluster)


async def test_too_many_requests_does_not_cost_a_new_list(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        lists = Lists()
        async with watching(server, tmp_path, lists) as cluster:
            await synced(cluster)
            await until(lambda: server.watches == len(KINDS))
            server.refusals = [(429, "slow down")] * 10
            server.cut("clean")
            await until(lambda: not server.refusals and server.watches == len(KINDS))
            assert lists.of("pods") == ["start"]


async def test_an_answer_that_is_no_api_servers_is_said_and_survived(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        server.body = b"<html>Log in</html>"
        async with watching(server, tmp_path) as cluster:
            await until(lambda: len(cluster.problems()) == len(KINDS))
            assert "makes no sense: b'<html>Log in" in cluster.not_ready()["kubernetes pods"]
            server.body = None
            await synced(cluster)


async def test_a_server_that_ends_watches_at_once_is_not_pestered(tmp_path: Path) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with serving() as server, watching(server, tmp_path, sleep=sleep, max_backoff_s=60.0) as cluster:
        await synced(cluster)
        await until(lambda: server.watches == len(KINDS))
        pauses.clear()
        server.body = b""
        server.cut("clean")
        await until(lambda: len(pauses) > 20 * len(KINDS))
        assert sorted(pauses)[-1] > 30.0, "each pause is about twice the one before, up to the bound"
        assert max(pauses) <= 60.0


async def test_only_the_namespaces_that_are_configured_are_read(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        server.put("pods", pod("other", "x", "10.1.0.1"))
        server.put("pods", pod("bank", "y", "10.2.0.1"))
        async with watching(server, tmp_path, namespaces=["shop", "bank"]) as cluster:
            await synced(cluster)
            assert name(cluster, "10.0.0.1") == "reviews"
            assert name(cluster, "10.2.0.1") == "y"
            assert name(cluster, "10.1.0.1") is None


async def test_more_objects_than_there_is_room_for_are_counted(tmp_path: Path) -> None:
    async with serving() as server:
        for number in range(105):
            server.put("pods", pod("shop", f"p{number:03}", f"10.0.0.{number}"))
        async with watching(server, tmp_path, max_objects=100, page_size=50) as cluster:
            await synced(cluster)
            assert cluster.objects()["pods"] == 100
            assert cluster.refused()["pods"] == 5


async def test_addresses_ask_kubernetes_before_they_believe_a_node(tmp_path: Path) -> None:
    async with serving() as server:
        populate(server)
        async with watching(server, tmp_path) as cluster:
            await synced(cluster)
            addresses = Addresses(before=[cluster])
            found = cluster.workload_of_address("10.0.0.1")
            assert addresses.find("10.0.0.1") == found
            number = addresses.number("10.0.0.1")
            assert number == addresses.number("10.0.0.1") != addresses.number("10.0.0.2")
            server.delete("pods", "shop", "reviews-6c4d-1")
            await until(lambda: addresses.number("10.0.0.1") == UNKNOWN)


async def test_without_credentials_it_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    for content in ("", "{}", json.dumps({"current-context": "x", "contexts": [], "clusters": []}), "a: [", "- 1"):
        file.write_text(content)
        with pytest.raises(StartError, match=r"mesh.kubernetes: no way to the API server: .+; set kubeconfig"):
            await Cluster(KubernetesSettings(kubeconfig=file)).__aenter__()
