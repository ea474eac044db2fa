"""Explain says which rules match, on which term the others fail, what each handler receives, and what is counted."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from telemetry.cli import app
from telemetry.config import load
from tests.explain.test_explain import ISTIO_LOG
from tests.service.running import running

CONFIG = """\
receiver: {grpc: {address: "127.0.0.1:0"}, access_logs: {request_headers: [":method", x-team, x-secret]}}
http: {address: "127.0.0.1:0"}
handlers:
  prometheus: {adapter: prometheus}
  writes: {adapter: stdout}
  team: {adapter: stdout}
  some: {adapter: stdout}
rules:
  - {name: writes, match: 'request.method == "POST" && response.code >= 500', handlers: [writes], templates: [logentry]}
  - {name: of-team, match: 'request.headers["x-team"] == "a"', handlers: [team], templates: [logentry]}
  - {name: some, match: 'response.code > 0', handlers: [some], sampling: {percent: 0, keep_errors: false}}
  - {name: by-label, match: 'labels.response_code == "503"', handlers: [team], templates: [metric]}
outcomes:
  - {match: 'response.code == 503', outcome: success}
redaction: {headers: {also_deny: [x-secret]}, deny: {request.id: drop}}
metrics:
  - {name: by_path_total, dimensions: {path: request.url_path}}
"""
ENTRY = ISTIO_LOG | {"path": "/reviews/me@example.org?id=1"}
WITH_HEADERS = {
    "commonProperties": {"accessLogType": "DownstreamEnd"},
    "request": {"requestMethod": "GET", "path": "/a", "requestHeaders": {"x-team": "b", "x-secret": "s3cr3t"}},
    "response": {"responseCode": 200},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "telemetry.yaml"
    file.write_text(CONFIG)
    return file


def explained(config: Path, *entries: dict) -> list[dict[str, Any]]:
    text = "\n".join(map(json.dumps, entries))
    result = CliRunner().invoke(app, ["explain", "-", "--config", str(config), "--json"], input=text)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["entries"]


def attributes(entry: dict) -> dict[str, dict]:
    return {one["name"]: one for one in entry["attributes"]}


def test_a_rule_that_does_not_match_is_told_with_its_term(config):
    [entry] = explained(config, ENTRY)
    rules = {rule["rule"]: rule for rule in entry["rules"]}
    assert (rules["writes"]["matched"], rules["writes"]["term"]) == (False, 'request.method == "POST"')
    assert (rules["of-team"]["matched"], rules["of-team"]["absent"]) == (False, True)
    assert rules["some"]["matched"]
    assert "by-label" not in rules  # which is of metrics
    assert rules["default"]["handlers"] == ["prometheus"]


def test_what_each_handler_receives_of_the_entry_and_of_its_metrics_is_told(config):
    [entry] = explained(config, ENTRY)
    received = {one["handler"]: one["decision"] for one in entry["handlers"]}
    assert received == {
        "prometheus": "not_accepted", "writes": "filtered", "team": "filtered", "some": "sampled_out",
    }  # fmt: skip
    points = {point["metric"]: point for point in entry["metrics"]}
    takers = {one["handler"] for one in points["istio_requests_total"]["handlers"] if one["decision"] == "delivered"}
    assert takers == {"prometheus", "team"}
    assert points["istio_requests_total"]["labels"]["destination_service_name"] == "reviews"
    assert points["istio_request_duration_milliseconds"]["value"] == 12


def test_metrics_of_ones_own_are_told_with_redacted_labels(config):
    [entry] = explained(config, ENTRY)
    [point] = [one for one in entry["metrics"] if one["metric"] == "by_path_total"]
    assert point["labels"] == {"path": "/reviews/[email]"}


def test_values_are_shown_redacted_with_the_rules_that_did_it_and_nowhere_else(config):
    [entry] = explained(config, ENTRY)
    path, identifier = attributes(entry)["request.path"], attributes(entry)["request.id"]
    assert (path["value"], path["concealed"]) == ("/reviews/[email]", True)
    assert set(path["concealed_by"]) == {"query", "email"}
    assert path["made_of"] == {"path": "[concealed]"}
    assert (identifier["value"], identifier["concealed_by"]) == (None, ["attribute"])
    assert attributes(entry)["response.code"]["concealed"] is False
    for secret in ("me@example", "id=1", ISTIO_LOG["request_id"]):
        assert secret not in json.dumps(entry)


def test_headers_are_concealed_by_their_names(config):
    [entry] = explained(config, WITH_HEADERS)
    headers = attributes(entry)["request.headers"]
    assert headers["value"] == [{"key": "x-team", "value": "b"}]
    assert headers["concealed_by"] == ["header"]
    assert "s3cr3t" not in json.dumps(entry)
    rules = {rule["rule"]: rule for rule in entry["rules"]}
    assert (rules["of-team"]["term"], rules["of-team"]["absent"]) == ('request.headers["x-team"] == "a"', False)


def test_naming_a_header_does_not_switch_off_traces(config):
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-team": "b", "traceparent": traceparent}
    [entry] = explained(config, WITH_HEADERS | {"request": {"requestMethod": "GET", "requestHeaders": headers}})
    assert attributes(entry)["trace.id"]["value"] == "0af7651916cd43dd8448eb211c80319c"
    assert attributes(entry)["request.headers"]["value"] == [{"key": "x-team", "value": "b"}]


def test_operations_and_outcomes_are_those_of_the_configuration(config):
    [entry] = explained(config, ENTRY)
    assert attributes(entry)["response.outcome"]["value"] == "success"
    assert attributes(entry)["request.operation"]["value"].startswith("GET /reviews/")


def test_each_entry_is_explained_by_itself(config):
    first, second = explained(config, ENTRY, ENTRY | {"method": "POST", "path": "/b"})
    assert not next(rule for rule in first["rules"] if rule["rule"] == "writes")["matched"]
    assert next(rule for rule in second["rules"] if rule["rule"] == "writes")["matched"]
    assert [one["labels"] for one in second["metrics"] if one["metric"] == "by_path_total"] == [{"path": "/b"}]
    assert attributes(second)["request.path"]["concealed"] is False


def test_the_table_shows_rules_handlers_and_metrics(config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = json.dumps(ENTRY | {"user_agent": "evil\x1b[2J"})
    shown = CliRunner().invoke(app, ["explain", "-", "-c", str(config)], input=text).stdout
    assert 'no: request.method == "POST" is false' in shown
    assert "could not be told" in shown
    assert "(redacted: email, query)" in " ".join(shown.split())
    assert "istio_requests_total" in shown
    assert "\x1b" not in shown


def test_the_table_shows_the_rules_of_metrics_and_names_those_about_what_is_not_explained(config, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rules = """
  - {name: spans, match: 'span.kind == "server"', handlers: [spans], templates: [tracespan]}
  - {name: server-side, match: 'labels.reporter == "destination"', handlers: [team], templates: [metric]}
outcomes:"""
    text = CONFIG.replace("\noutcomes:", rules).replace("  some: {", "  spans: {adapter: stdout}\n  some: {")
    config.write_text(text)
    shown = CliRunner().invoke(app, ["explain", "-", "-c", str(config)], input=json.dumps(ENTRY)).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert 'server-side team no: labels.reporter == "destination" is false' in " ".join(lines)
    assert len([line for line in lines if line.startswith("by-label team yes")]) == 1
    assert "spans spans about tracespan: not explained here" in lines
    [told] = json.loads(
        CliRunner().invoke(app, ["explain", "-", "-c", str(config), "--json"], input=json.dumps(ENTRY)).stdout
    )["elsewhere"]
    assert told == {"rule": "spans", "handlers": ["spans"], "templates": ["tracespan"]}


@pytest.mark.parametrize("text", ["", "\n \n", "[]", '{"identifier": {"logName": "x"}}'])
def test_an_input_without_entries_is_refused_with_what_is_expected(config, text):
    result = CliRunner().invoke(app, ["explain", "-", "-c", str(config)], input=text)
    assert result.exit_code == 2
    assert "there is no entry in it; give an entry of Envoy's file log" in result.stderr


def test_that_an_entry_counts_into_no_metric_is_said(config):
    config.write_text("standard_metrics: {overrides: [{match: {metric: ALL_METRICS}, disabled: true}]}\n")
    shown = CliRunner().invoke(app, ["explain", "-", "-c", str(config)], input=json.dumps(ENTRY)).stdout
    assert "counts into no metric" in shown
    assert "counts into\n" not in shown


def test_a_configuration_with_faults_is_refused_with_exit_code_2(config):
    config.write_text("rules: [{name: x, match: 'nothing.here', handlers: [prometheus]}]\n")
    result = CliRunner().invoke(app, ["explain", "-", "-c", str(config)], input=json.dumps(ENTRY))
    assert (result.exit_code, "there is no attribute nothing.here" in result.stderr) == (2, True)


async def test_over_http_it_is_the_running_configuration_that_explains(config):
    async with running(load(config)) as service, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{service.http_port}/api/v1/explain"
        [entry] = (await client.post(url, content=json.dumps(ENTRY))).json()["entries"]
        assert {rule["rule"] for rule in entry["rules"]} == {"writes", "of-team", "some", "default"}
        assert attributes(entry)["request.path"]["value"] == "/reviews/[email]"
        config.write_text(CONFIG.replace("name: writes", "name: changes"))
        await service.apply(load(config))
        [entry] = (await client.post(url, content=json.dumps(ENTRY))).json()["entries"]
        assert {rule["rule"] for rule in entry["rules"]} == {"changes", "of-team", "some", "default"}
        assert not any(delivery.account().offered for delivery in service.deliveries)
