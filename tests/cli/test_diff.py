"""`telemetry diff`, as a user sees it."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telemetry.batch import Template
from telemetry.cli import app
from telemetry.config import load
from telemetry.journal.history import History
from telemetry.predict import Count, SeriesOf, total
from telemetry.processors.signals import BOUNDS
from tests.rows import logentries
from tests.service.running import Envoy, counted, page, running, until
from tests.wire import inbound, message, node

OLD = """\
receiver: {grpc: {address: "127.0.0.1:0"}, coalesce: {max_delay: 10ms}}
http: {address: "127.0.0.1:0"}
journal: {path: journal.db, retention: 10m, retain: [logentry]}
handlers:
  prometheus: {adapter: prometheus}
  out: {adapter: stdout}
  gone: {adapter: stdout}
rules:
  - {name: writes, match: 'request.method == "POST"', handlers: [out]}
  - {name: sums, match: 'metric == "none"', handlers: [gone]}
"""
THINNED = """\
standard_metrics:
  overrides:
    - {match: {metric: RESPONSE_SIZE}, disabled: true}
    - {match: {metric: ALL_METRICS}, tagOverrides: {response_code: {value: '"any"'}}}
metrics:
  - {name: by_path_total, dimensions: {path: request.url_path}}
"""


class Files:
    """Two configurations and what diff says of them."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = folder / "old.yaml", folder / "new.yaml"
        self.old.write_text(OLD)
        self.new.write_text(OLD)

    def diff(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(app, ["diff", str(self.old), str(self.new), *map(str, arguments)])

    def json(self, *arguments: str | Path) -> dict:
        result = self.diff("--json", *arguments)
        assert result.exit_code in (0, 1), result.output
        return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def kept(files: Files) -> None:
    """Let a service keep three requests of two codes."""
    settings = load(files.old)
    async with running(settings) as service:
        envoy = Envoy(service.grpc_port)
        entries = [inbound(200, path="/a"), inbound(200, path="/b"), inbound(503, path="/c")]
        await envoy.send(message(*entries, sender=node()))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 3)
        await envoy.end()


def test_the_same_is_no_change_and_exit_code_0(files):
    result = files.diff()
    assert (result.exit_code, result.stdout) == (0, "")


def test_what_becomes_of_each_handler_is_said(files):
    text = OLD.replace("gone: {adapter: stdout}", "new: {adapter: stdout}").replace("[gone]", "[new]")
    text = text.replace("prometheus: {adapter: prometheus}", "prometheus: {adapter: prometheus, max_series: 7}")
    files.new.write_text(text.replace('"POST"', '"PUT"'))
    found = files.json()
    assert "its totals begin anew" in found["handlers"]["prometheus"]
    fates = {name: fate.partition(":")[0] for name, fate in found["handlers"].items()}
    assert fates == {"prometheus": "restarted", "out": "goes on", "gone": "removed", "new": "added"}
    keys = {change["key"]: change for change in found["changes"]}
    assert keys["handlers.prometheus.max_series"]["after"] == "7"
    assert keys["rules.writes.match"]["before"] == json.dumps('request.method == "POST"')
    assert not any(change["needs_restart"] for change in found["changes"])


def test_keys_that_a_running_service_can_not_take_are_said(files):
    files.new.write_text(OLD.replace("retention: 10m", "retention: 20m"))
    result = files.diff()
    assert result.exit_code == 1
    assert "journal.retention: 600.0 → 1200.0  (needs a restart)" in result.stdout
    assert "a running service refuses this file" in result.stdout


def test_rules_and_metrics_come_and_go_by_their_names(files):
    files.new.write_text(OLD.replace("name: sums", "name: totals") + "metrics: [{name: more_total}]\n")
    keys = {change["key"]: (change["before"], change["after"]) for change in files.json()["changes"]}
    assert keys == {
        "rules.sums": ("there", "absent"),
        "rules.totals": ("absent", "there"),
        "metrics.more_total": ("absent", "there"),
    }


def test_a_secret_is_a_change_and_is_not_shown(files, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_ONE", "hunter2-hunter2-hunter2-hunter2-one")
    monkeypatch.setenv("KEY_TWO", "hunter2-hunter2-hunter2-hunter2-two")
    files.old.write_text(OLD + "redaction: {hash_key: env:KEY_ONE, patterns: {email: hash}}\n")
    files.new.write_text(OLD + "redaction: {hash_key: env:KEY_TWO, patterns: {email: hash}}\n")
    for result in (files.diff(), files.diff("--json")):
        assert result.exit_code == 1, result.output
        assert "redaction.hash_key" in result.stdout
        assert "hunter2" not in result.output


def test_faults_of_both_files_are_listed_with_exit_code_2(files):
    files.old.write_text("handlers: {x: {adapter: nothing}}\n")
    files.new.write_text("jurnal: {}\n")
    result = files.diff()
    assert (result.exit_code, "old.yaml:1" in result.stderr, "new.yaml:1" in result.stderr) == (2, True, True)


@pytest.mark.parametrize("arguments", [["--from", "yesterday"], ["--journal", "/nowhere/journal.db"]])
def test_an_option_that_is_wrong_has_exit_code_2(files, arguments):
    assert files.diff(*arguments).exit_code == 2


def test_without_history_it_says_how_to_have_some(files):
    files.old.write_text(OLD.replace("path: journal.db, retention: 10m, retain: [logentry]", "path: null"))
    files.new.write_text(OLD)
    assert "set journal.path, retention and retain" in files.diff().stdout
    files.old.write_text(OLD)
    files.new.write_text(OLD + THINNED)
    found = files.json()
    assert found["series"] is None
    assert "there is no journal" in found["no_series_because"]


async def test_series_are_predicted_from_what_the_journal_still_holds(files):
    await kept(files)
    files.new.write_text(OLD + THINNED)
    found = await asyncio.to_thread(files.json)
    series = found["series"]
    assert (series["rows"], series["complete"]) == (3, True)
    assert series["old"]["istio_requests_total"] == {"label_sets": 2, "series": 2}
    assert series["new"]["istio_requests_total"] == {"label_sets": 1, "series": 1}
    assert "by_path_total" not in series["old"]
    assert series["new"]["by_path_total"] == {"label_sets": 3, "series": 3}
    assert "istio_response_bytes" not in series["new"]
    assert series["total"]["new"]["series"] < series["total"]["old"]["series"]
    table = await asyncio.to_thread(files.diff)
    assert "of 3 requests" in table.stdout
    assert "by_path_total" in table.stdout


async def test_series_that_rules_keep_from_every_handler_are_not_counted(files):
    await kept(files)
    rules = """\
  - {name: fives, match: 'labels.response_code == "503"', handlers: [prometheus], templates: [metric]}
  - {name: entries, match: 'true', handlers: [out, gone], templates: [logentry]}
"""
    files.new.write_text(OLD.replace("  - {name: sums, match: 'metric == \"none\"', handlers: [gone]}\n", rules))
    series = (await asyncio.to_thread(files.json))["series"]
    assert series["old"]["istio_requests_total"]["label_sets"] == 2
    assert series["new"]["istio_requests_total"]["label_sets"] == 1


async def test_without_a_handler_of_metrics_there_are_no_series(files):
    await kept(files)
    handlers = "  prometheus: {adapter: prometheus}\n"
    files.new.write_text(OLD.replace(handlers, "").replace("handlers: [out]", "handlers: [out], templates: [logentry]"))
    series = (await asyncio.to_thread(files.json))["series"]
    assert series["old"]["istio_requests_total"]["label_sets"] == 2
    assert (series["new"], series["total"]["new"]) == ({}, {"label_sets": 0, "series": 0})


async def test_what_is_predicted_is_what_a_service_then_has(files):
    await kept(files)
    files.new.write_text(OLD + THINNED)
    predicted = (await asyncio.to_thread(files.json))["series"]["new"]
    (files.new.parent / "other").mkdir()
    (files.new.parent / "other" / "journal.yaml").write_text((OLD + THINNED).replace("journal.db", "another.db"))
    async with running(load(files.new.parent / "other" / "journal.yaml")) as service:
        envoy = Envoy(service.grpc_port)
        entries = [inbound(200, path="/a"), inbound(200, path="/b"), inbound(503, path="/c")]
        await envoy.send(message(*entries, sender=node()))
        await envoy.end()
        await service.deliveries[0].delivered()
        await until(lambda: service.deliveries[0].account().delivered > 0)
        lines = (await page(service)).splitlines()
    assert predicted
    for metric, count in predicted.items():
        starts = (f"{metric}{{", *(f"{metric}_{end}{{" for end in ("bucket", "sum", "count")))
        assert sum(line.startswith(starts) for line in lines) == count["series"], metric


def test_histograms_are_as_many_series_as_they_have_buckets_and_three_more(files):
    settings = load(files.old)
    series = SeriesOf(settings, settings)
    series.add(logentries({"request.counts": True, "response.code": 200, "context.protocol": "http"}))
    counts = series.counts()
    assert counts["istio_requests_total"] == Count(1, 1)
    assert counts["istio_request_duration_milliseconds"] == Count(1, len(BOUNDS) + 3)
    assert total(counts).label_sets == len(counts)


async def test_of_more_than_the_limit_the_newest_are_looked_at_and_that_is_said(files):
    await kept(files)
    await kept(files)
    files.new.write_text(OLD + THINNED)
    journal = load(files.old).journal.path
    series = (await asyncio.to_thread(files.json, "--max-rows", "3"))["series"]
    assert (series["rows"], series["complete"]) == (3, False)
    assert (
        series["from_ns"]
        == series["to_ns"]
        == max(at for _, at, _ in History(journal).batches(templates={Template.LOGENTRY}))
    )
