"""A changed configuration: taken as a difference, or refused whole."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel, ConfigDict
from structlog.testing import capture_logs

from telemetry.adapters.prometheus import Prometheus
from telemetry.batch import Batch, Template
from telemetry.config import load
from telemetry.config.settings import LogSettings
from telemetry.options import Secret
from telemetry.service import Service
from tests.service.running import Envoy, counted, total, until
from tests.wire import inbound, message, node

REVIEWS = node()


class Shelf(AbstractAsyncContextManager["Shelf"]):
    """A sink that keeps entries, and remembers who was entered and left."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        label: str = "first"
        broken: bool = False
        clumsy: bool = False
        away: bool = False
        token: Secret | None = None

    accepts = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        self.config = config
        self.ids: list[str] = []
        self.outcomes: list[str] = []
        self.left = False

    async def __aenter__(self) -> "Shelf":
        if self.config.broken:
            raise ValueError("the shelf is broken")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.left = True
        if self.config.clumsy:
            raise ValueError("the shelf fell over")

    async def export(self, batch: Batch) -> None:
        if self.config.away:
            token = self.config.token.get_secret_value() if self.config.token else ""
            raise ConnectionError(f"the shelf is away, {token}")
        self.outcomes += batch.rows["response.outcome"].to_list()
        self.ids += batch.rows["connection.id"].to_list()


READ = partial(load, installed={"prometheus": Prometheus, "shelf": Shelf})
START = """
receiver: {grpc: {address: "127.0.0.1:0"}, coalesce: {max_delay: 10ms}}
http: {address: "127.0.0.1:0"}
shutdown: {deadline: 5s}
edges: {enabled: false}
handlers: {%s}
"""


class Configured:
    """A running service and its file."""

    def __init__(self, service: Service, file: Path) -> None:
        self.service = service
        self._file = file
        self._sent = 0

    def write(self, handlers: str, more: str = "") -> None:
        self._file.write_text(START % handlers + more)

    async def reload(self) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(f"http://127.0.0.1:{self.service.http_port}/-/reload")

    async def send(self, envoy: Envoy, *ids: str) -> None:
        await envoy.send(message(*(inbound(stream_id=each) for each in ids), sender=REVIEWS))
        self._sent += len(ids)
        await until(lambda: counted(self.service, "telemetry_receiver_entries_total") == self._sent)

    def adapter(self, name: str):
        return next(one.adapter for one in self.service.deliveries if one.name == name)


@asynccontextmanager
async def configured(tmp_path: Path, handlers: str) -> AsyncIterator[Configured]:
    file = tmp_path / "telemetry.yaml"
    file.write_text(START % handlers)
    async with Service(READ(file), file, READ) as service:
        yield Configured(service, file)
    assert all(delivery.account().unaccounted == 0 for delivery in service.deliveries)


PROMETHEUS = "prometheus: {adapter: prometheus}"
BOTH = PROMETHEUS + ", shelf: {adapter: shelf}"


async def test_an_adapter_that_fails_when_it_is_left_stops_no_reload(tmp_path):
    async with configured(tmp_path, PROMETHEUS + ", shelf: {adapter: shelf, away: true, clumsy: true}") as one:
        envoy, adapter = Envoy(one.service.grpc_port), one.adapter("shelf")
        await one.send(envoy, "a")
        await until(lambda: one.service.deliveries[1].account().pending == 1)
        one.write(PROMETHEUS + ", other: {adapter: shelf}")
        assert (await one.reload()).status_code == 200
        assert (adapter.left, [each.name for each in one.service.deliveries]) == (True, ["prometheus", "other"])
        dropped = {"handler": "shelf", "reason": "handler_removed"}
        assert counted(one.service, "telemetry_handler_dropped_rows_total", **dropped) == 1
        await envoy.end()


async def test_a_new_handler_joins_while_streams_series_and_other_handlers_go_on(tmp_path):
    async with configured(tmp_path, PROMETHEUS) as one:
        envoy, before = Envoy(one.service.grpc_port), one.adapter("prometheus")
        await one.send(envoy, "a")
        one.write(BOTH)
        answer = await one.reload()
        assert (answer.status_code, [change.split(":")[0] for change in answer.json()["changes"]]) == (
            200,
            ["handlers.shelf"],
        )
        await one.send(envoy, "b")
        await until(lambda: one.adapter("shelf").ids == ["b"])
        assert one.adapter("prometheus") is before
        assert await total(one.service, "istio_requests_total") == 2
        assert counted(one.service, "telemetry_receiver_streams_opened_total") == 1
        await envoy.end()


async def test_a_changed_adapter_goes_on_where_the_old_one_was(tmp_path):
    async with configured(tmp_path, "shelf: {adapter: shelf, away: true}") as one:
        envoy, old = Envoy(one.service.grpc_port), one.adapter("shelf")
        await one.send(envoy, "a")
        one.write("shelf: {adapter: shelf}")
        assert (await one.reload()).status_code == 200
        await one.send(envoy, "b")
        await until(lambda: one.adapter("shelf").ids == ["a", "b"])
        assert old.left
        await envoy.end()


async def test_only_how_it_is_handed_over_keeps_the_adapter(tmp_path):
    async with configured(tmp_path, BOTH) as one:
        adapter = one.adapter("shelf")
        one.write(PROMETHEUS + ", shelf: {adapter: shelf, delivery: {deadline: 3s}}")
        assert (await one.reload()).status_code == 200
        assert one.adapter("shelf") is adapter
        assert [each.terms.patience.deadline_s for each in one.service.deliveries] == [10.0, 3.0]
        assert not adapter.left


async def test_what_a_removed_handler_had_yet_to_take_is_counted(tmp_path):
    async with configured(tmp_path, PROMETHEUS + ", shelf: {adapter: shelf, away: true}") as one:
        envoy, adapter = Envoy(one.service.grpc_port), one.adapter("shelf")
        await one.send(envoy, "a", "b")
        await until(lambda: one.service.deliveries[1].account().pending == 2)
        one.write(PROMETHEUS)
        assert (await one.reload()).status_code == 200
        assert adapter.left
        dropped = {"handler": "shelf", "reason": "handler_removed"}
        assert counted(one.service, "telemetry_handler_dropped_rows_total", **dropped) == 2
        await envoy.end()


@pytest.mark.parametrize(
    ("handlers", "more", "fault"),
    [
        ("shelf: {adapter: shelve}", "", "handlers.shelf.adapter"),
        (BOTH, "outcomes: [{match: 'response.cod == 1', outcome: success}]", "outcomes[0].match"),
        ("shelf: {adapter: shelf, broken: true}", "", "the shelf is broken"),
        (BOTH, "mesh: {default_cluster: other}", "telemetry.yaml:7:25: mesh.default_cluster"),
    ],
)
async def test_what_cannot_be_taken_changes_nothing_and_says_why(tmp_path, handlers, more, fault):
    async with configured(tmp_path, BOTH) as one:
        envoy, before = Envoy(one.service.grpc_port), one.adapter("shelf")
        one.write(handlers, more)
        answer = await one.reload()
        assert answer.status_code == 409
        assert fault in answer.json()["faults"][0]
        assert counted(one.service, "telemetry_config_last_reload_successful") == 0
        await one.send(envoy, "a")
        await until(lambda: before.ids == ["a"])
        assert one.adapter("shelf") is before
        one.write(BOTH)
        assert (await one.reload()).json()["changes"] == []
        assert counted(one.service, "telemetry_config_last_reload_successful") == 1
        await envoy.end()


async def test_a_changed_file_is_taken_without_being_asked(tmp_path):
    async with configured(tmp_path, PROMETHEUS) as one:
        one.write(BOTH)
        await until(lambda: len(one.service.deliveries) == 2)


async def test_an_outcome_rule_counts_from_the_reload_on(tmp_path):
    async with configured(tmp_path, BOTH) as one:
        one.write(BOTH, "outcomes: [{match: 'connection.id == \"a\"', outcome: server_error}]")
        assert (await one.reload()).status_code == 200
        envoy = Envoy(one.service.grpc_port)
        await one.send(envoy, "a", "b")
        await until(lambda: one.adapter("shelf").ids == ["a", "b"])
        assert one.adapter("shelf").outcomes == ["server_error", "success"]
        await envoy.end()


async def test_many_reloads_under_way_lose_nothing(tmp_path):
    async with configured(tmp_path, BOTH) as one:
        envoy, adapter = Envoy(one.service.grpc_port), one.adapter("shelf")
        for number in range(20):
            one.write(BOTH + (", other: {adapter: shelf}" if number % 2 else ""))
            reloading = asyncio.create_task(one.reload())
            await one.send(envoy, str(number))
            assert (await reloading).status_code == 200
        await until(lambda: len(adapter.ids) == 20)
        assert adapter.ids == [str(number) for number in range(20)]
        await envoy.end()


async def test_without_a_file_there_is_nothing_to_reload():
    settings = load(None).model_copy(update={})
    quick = settings.model_validate(
        {"receiver": {"grpc": {"address": "127.0.0.1:0"}}, "http": {"address": "127.0.0.1:0"}}, by_name=True
    )
    async with Service(quick) as service, httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{service.http_port}/-/reload")
        assert (answer.status_code, "without --config" in answer.json()["faults"][0]) == (409, True)


async def test_rules_and_metrics_change_while_series_go_on(tmp_path):
    async with configured(tmp_path, BOTH) as one:
        envoy = Envoy(one.service.grpc_port)
        await one.send(envoy, "a")
        await until(lambda: one.adapter("shelf").ids == ["a"])
        one.write(
            BOTH,
            "rules: [{name: some, handlers: [shelf], match: 'connection.id == \"c\"'}]\n"
            "metrics: [{name: mine_total, dimensions: {who: connection.id}}]",
        )
        assert (await one.reload()).status_code == 200
        await one.send(envoy, "b", "c")
        await until(lambda: one.adapter("shelf").ids == ["a", "c"])
        assert await total(one.service, "istio_requests_total") == 3
        assert await total(one.service, "mine_total", who="b") == 1
        assert await total(one.service, "mine_total", who="a") == 0
        await envoy.end()


async def test_a_durable_journal_hands_on_after_a_restart_what_was_not_delivered(tmp_path):
    file = tmp_path / "telemetry.yaml"
    journal = "journal: {path: data/journal.db}\n"
    file.write_text(START.replace("5s", "0s") % "shelf: {adapter: shelf, away: true}" + journal)
    async with Service(READ(file), file, READ) as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound(stream_id="a"), sender=REVIEWS))
        await until(lambda: service.deliveries[0].account().pending == 1)
        await envoy.drop()
    file.write_text(START % "shelf: {adapter: shelf}" + journal)
    async with Service(READ(file), file, READ) as service:
        (delivery,) = service.deliveries
        await until(lambda: delivery.adapter.ids == ["a"])
        assert delivery.account().unaccounted == 0


async def test_a_secret_that_has_changed_is_masked_as_the_one_before(tmp_path, monkeypatch):
    handler = "shelf: {adapter: shelf, away: true, token: 'env:SHELF'}"
    monkeypatch.setenv("SHELF", "first-secret-value")
    async with configured(tmp_path, handler) as one:
        envoy = Envoy(one.service.grpc_port)
        await one.send(envoy, "a")
        monkeypatch.setenv("SHELF", "second-secret-value")
        assert (await one.reload()).status_code == 200
        (delivery,) = one.service.deliveries
        before = delivery.status().last_error_ns
        await until(lambda: (delivery.status().last_error_ns or 0) > (before or 0))
        assert "the shelf is away" in delivery.last_error
        assert "secret-value" not in delivery.last_error
        one.write("shelf: {adapter: shelf}")
        assert (await one.reload()).status_code == 200
        await envoy.end()


async def test_how_we_log_changes_with_the_file_and_only_when_it_is_taken(tmp_path):
    file = tmp_path / "telemetry.yaml"
    file.write_text(START % PROMETHEUS)
    used: list[LogSettings] = []
    async with Service(READ(file), file, READ, used.append) as service:
        one = Configured(service, file)
        one.write("shelf: {adapter: shelf, broken: true}", "log: {level: error}")
        assert (await one.reload()).status_code == 409
        assert used == []
        one.write(PROMETHEUS, "log: {level: debug, format: json}")
        assert [change.split(":")[0] for change in (await one.reload()).json()["changes"]] == [
            "log.level",
            "log.format",
        ]
        one.write(BOTH, "log: {level: debug, format: json}")
        assert (await one.reload()).status_code == 200
    assert used == [LogSettings(level="debug", format="json")]


async def test_a_file_that_says_nothing_of_the_log_any_more_logs_as_by_default(tmp_path):
    file = tmp_path / "telemetry.yaml"
    file.write_text(START % PROMETHEUS + "log: {level: error}")
    used: list[LogSettings] = []
    async with Service(READ(file), file, READ, used.append) as service:
        one = Configured(service, file)
        one.write(PROMETHEUS)
        assert (await one.reload()).status_code == 200
    assert used == [LogSettings()]


async def ready(service: Service) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{service.http_port}/readyz")


async def test_a_sink_that_was_never_reached_is_named_and_makes_nobody_unready(tmp_path):
    async with configured(tmp_path, BOTH.replace("adapter: shelf", "adapter: shelf, away: true")) as one:
        envoy = Envoy(one.service.grpc_port)
        await one.send(envoy, "a")
        await until(lambda: one.service.deliveries[1].failing)
        answer = await ready(one.service)
        assert (answer.status_code, answer.json()["reasons"]) == (200, {})
        assert answer.json()["warnings"] == {"handler shelf": "ConnectionError: the shelf is away, "}
        one.write(BOTH)
        assert (await one.reload()).status_code == 200
        await until(lambda: one.adapter("shelf").ids == ["a"])
        assert (await ready(one.service)).json()["warnings"] == {}
        await envoy.end()


@pytest.mark.parametrize("journal", ["max_bytes: 1MiB", "max_bytes: 1MiB, path: data/journal.db"])
async def test_a_full_journal_is_told_of_while_an_append_waits_and_the_account_goes_on(tmp_path, journal):
    shelf = "shelf: {adapter: shelf, away: true, delivery: {on_full: block, initial_backoff: 1ms}}"
    file = tmp_path / "telemetry.yaml"
    file.write_text(START % shelf + f"journal: {{{journal}}}")
    async with Service(READ(file), file, READ) as service:
        envoy, ids, sent = Envoy(service.grpc_port), [str(number) for number in range(2000)], 0

        def taken() -> bool:
            return bool(service.not_ready()) or counted(service, "telemetry_receiver_entries_total") == sent * len(ids)

        while not service.not_ready():
            await envoy.send(message(*(inbound(stream_id=each) for each in ids), sender=REVIEWS))
            sent += 1
            await until(taken)
        # The append before the last may just have ended.
        await until(lambda: counted(service, "telemetry_journal_problems") == 1)
        answer = await ready(service)
        assert (answer.status_code, answer.json()["reasons"]) == (503, {"journal": "full: waits for handler shelf"})
        file.write_text(START % shelf.replace("away: true, ", "") + f"journal: {{{journal}}}")
        await service.reloading.reload("test")
        await until(lambda: not service.not_ready())
        await until(lambda: len(service.deliveries[0].adapter.ids) == sent * len(ids))
        await envoy.end()


async def test_the_end_does_not_wait_for_a_sink_that_fails_when_the_disk_keeps_its_rows(tmp_path):
    file = tmp_path / "telemetry.yaml"
    journal = "journal: {path: data/journal.db}\n"
    file.write_text(START.replace("5s", "60s") % "shelf: {adapter: shelf, away: true}" + journal)
    with capture_logs() as logged:
        async with asyncio.timeout(30):
            async with Service(READ(file), file, READ) as service:
                envoy = Envoy(service.grpc_port)
                await envoy.send(message(inbound(stream_id="a"), sender=REVIEWS))
                await until(lambda: service.deliveries[0].account().pending == 1)
                await envoy.end()
    (line,) = [line for line in logged if line["event"].startswith("not everything was delivered")]
    assert (line["rows"], line["entries"]) == ({"shelf": 1}, 0)
    assert "the journal keeps the rows for the next start" in line["event"]
    file.write_text(START % "shelf: {adapter: shelf}" + journal)
    async with Service(READ(file), file, READ) as service:
        await until(lambda: service.deliveries[0].adapter.ids == ["a"])


async def test_the_end_waits_its_whole_time_for_a_sink_that_fails_when_only_memory_keeps_its_rows(tmp_path):
    with capture_logs() as logged:
        file = tmp_path / "telemetry.yaml"
        file.write_text(START.replace("5s", "1200ms") % "shelf: {adapter: shelf, away: true}")
        async with Service(READ(file), file, READ) as service:
            envoy = Envoy(service.grpc_port)
            await envoy.send(message(inbound(stream_id="a"), sender=REVIEWS))
            await until(lambda: service.deliveries[0].failing)
            await envoy.end()
            ends_s = time.monotonic()
    assert time.monotonic() - ends_s >= 1.2
    assert any("raise shutdown.deadline" in line["event"] for line in logged)
