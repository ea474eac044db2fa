"""A handler that takes entries gets them whole: with operation, outcome and time, and without secrets."""

import asyncio
from collections.abc import Callable

import pytest
import yaml

from telemetry.batch import SCHEMAS, Template
from telemetry.config import load
from telemetry.errors import ConfigError
from telemetry.service import Service
from tests.adapters.fakes import Sink
from tests.service.running import Envoy, counted, until
from tests.wire import inbound, message, node


class Entries(Sink):
    """Takes entries; every one made is remembered, so that a test finds the service's."""

    accepts = frozenset({Template.LOGENTRY})
    made: list["Entries"] = []  # noqa: RUF012 - shared on purpose

    def __init__(self, _config: Sink.Config) -> None:
        super().__init__()
        self.made.append(self)


CONFIG = {
    "receiver": {"grpc": {"address": "127.0.0.1:0"}, "coalesce": {"max_delay": "10ms"}},
    "http": {"address": "127.0.0.1:0"},
    "handlers": {"entries": {"adapter": "entries"}},
}
CATALOG = """
services:
- name: reviews
  namespace: shop
  hosts: [reviews.shop.svc.cluster.local]
  owner: reviewers
  operations: [{name: read a review, path: "/reviews/*", methods: [GET]}]
"""


@pytest.fixture
def configured(tmp_path) -> Callable[..., Service]:
    def make(**more: object) -> Service:
        file = tmp_path / "telemetry.yaml"
        file.write_text(yaml.safe_dump({**CONFIG, **more}))
        return Service(load(file, installed={"entries": Entries}))

    return make


async def rows_of(service: Service, *entries) -> list[dict]:
    async with service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(*entries, sender=node()))
        sink = Entries.made[-1]
        await until(lambda: sink.rows == len(entries))
        await envoy.end()
        assert counted(service, "telemetry_handler_unaccounted_rows", handler="entries") == 0
        return [row for batch in sink.taken for row in batch.rows.to_dicts()]


async def test_entries_have_every_attribute_of_the_vocabulary(configured):
    [row] = await rows_of(configured(), inbound(503, path="/reviews/17?token=hunter2"))
    assert list(row) == list(SCHEMAS[Template.LOGENTRY])
    assert row["request.operation"] == "GET /reviews/{id}"
    assert (row["response.outcome"], row["response.blame"]) == ("server_error", "application")


async def test_secrets_leave_entries_before_a_handler_sees_them(configured):
    entry = inbound(path="/reviews/17?token=hunter2", authority="reviews")
    entry.request.request_headers["authorization"] = "Bearer hunter2"
    entry.request.user_agent = "curl for ann@example.com"
    service = configured()
    [row] = await rows_of(service, entry)
    assert "hunter2" not in str(row)
    assert "ann@example.com" not in str(row)
    assert counted(service, "telemetry_redacted_total", rule="query") == 1


async def test_what_is_redacted_does_not_come_back_as_an_operation(configured):
    redaction = {"custom": {"ticket": "tick-[a-z]+"}}
    [row] = await rows_of(configured(redaction=redaction), inbound(path="/reset/tick-hushhush"))
    assert "hushhush" not in str(row)


async def test_redaction_can_be_turned_off(configured):
    [row] = await rows_of(configured(redaction={"enabled": False}), inbound(path="/reviews/17?token=hunter2"))
    assert row["request.path"] == "/reviews/17?token=hunter2"


async def test_the_catalog_names_operations_and_is_read_anew_when_it_changes(configured, tmp_path):
    file = tmp_path / "services.yaml"
    file.write_text(CATALOG)
    service = configured(mesh={"catalog": str(file)})
    async with service:
        envoy, sink = Envoy(service.grpc_port), Entries.made[-1]
        await envoy.send(message(inbound(path="/reviews/17"), sender=node(app="reviews")))
        await until(lambda: sink.rows == 1)
        assert sink.taken[0].rows["request.operation"].to_list() == ["read a review"]
        file.write_text(CATALOG.replace("read a review", "look one up"))
        async with asyncio.timeout(20):
            while counted(service, "telemetry_catalog_reloads_total", result="changed") < 1:
                await asyncio.sleep(0.05)
        await envoy.send(message(inbound(path="/reviews/18")))
        await until(lambda: sink.rows == 2)
        assert sink.taken[1].rows["request.operation"].to_list() == ["look one up"]
        await envoy.end()


async def test_what_counts_as_an_error_is_the_operators_to_say(configured):
    match = 'response.code == 404 && context.reporter.kind == "inbound" && destination.workload.name == "reviews-v1"'
    service = configured(outcomes=[{"match": match, "outcome": "success"}])
    rows = await rows_of(service, inbound(404), inbound(403))
    assert [(row["response.outcome"], row["response.blame"]) for row in rows] == [
        ("success", None),
        ("client_error", "client"),
    ]


def test_a_faulty_expression_is_a_fault_of_the_file_with_a_caret(configured):
    with pytest.raises(ConfigError) as error:
        configured(outcomes=[{"match": "response.cod == 404", "outcome": "success"}])
    assert "outcomes[0].match" in str(error.value).replace(".0.", "[0].")
    assert "response.code" in str(error.value)
