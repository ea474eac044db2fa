from pathlib import Path

import pytest

from telemetry.config import Settings
from telemetry.config.changes import changes, needing_restart
from telemetry.config.loading import parse


def read(text: str) -> Settings:
    return parse(text.encode(), "test.yaml", folder=Path())


def test_equal_configurations_have_no_changes() -> None:
    text = "handlers: {one: {adapter: prometheus, max_series: 7}}"
    assert changes(read(text), read(text)) == []


def test_a_change_is_named_by_its_key_with_both_values() -> None:
    found = changes(read("log: {level: info}"), read("log: {level: debug}"))
    assert [str(change) for change in found] == ['log.level: "info" → "debug"']


def test_a_handler_that_comes_or_goes_is_one_change() -> None:
    one, two = read("handlers: {a: {adapter: prometheus}}"), read("handlers: {b: {adapter: prometheus}}")
    found = changes(one, two)
    assert [change.key for change in found] == ["handlers.a", "handlers.b"]
    assert [change.before == "absent" for change in found] == [False, True]


@pytest.mark.parametrize(
    ("text", "restart"),
    [
        ("receiver: {grpc: {max_streams_per_peer: 7}}", True),
        ("http: {address: '127.0.0.1:1'}", True),
        ("mesh: {default_cluster: other}", True),
        ("receiver: {metrics: {enabled: false}}", True),
        ("edges: {enabled: false}", True),
        ("edges: {hours_for: 7d}", True),
        ("edges: {interval: 5s}", False),
        ("receiver: {access_logs: {request_headers: [x-user]}}", False),
        ("outcomes: [{match: 'response.code == 404', outcome: success}]", False),
    ],
)
def test_what_the_service_is_built_around_needs_a_restart(text: str, restart: bool) -> None:
    assert bool(needing_restart(changes(Settings(), read(text)))) is restart


def test_a_changed_secret_is_a_change_and_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "redaction: {hash_key: 'env:KEY'}"
    monkeypatch.setenv("KEY", "first-secret-of-32-characters-000")
    before = read(text)
    monkeypatch.setenv("KEY", "second-secret-of-32-characters-00")
    (change,) = changes(before, read(text))
    assert change.key == "redaction.hash_key"
    assert "secret" not in str(change)
