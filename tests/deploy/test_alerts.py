"""The alert rules are sound, fire when they should, and speak only of metrics that there are."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry.completeness import METRICS
from telemetry.selfmetrics import SelfMetrics

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
PAGE = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("delivery", "completeness"))
HERE = 'handler="kafka",instance="a"'
WEB = {"workload": "web", "workload_namespace": "shop", "protocol": "http"}
SEEN, EXPECTED = (
    f'telemetry_completeness_{name}_total{{workload="web",workload_namespace="shop",protocol="http"{{more}}}}'
    for name in ("seen", "expected")
)


def promtool(binary: Path, *arguments: str | Path) -> str:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.real
def test_prometheus_takes_them(promtool_binary):
    assert f"{len(RULES)} rules found" in promtool(promtool_binary, "check", "rules", ALERTS)


def when(series: str | dict[str, str], values: str, alert: str, at: str, **fires: str) -> dict[str, Any]:
    """A case for promtool: at that time the alert fires with these labels; with none it is silent."""
    given = series if isinstance(series, dict) else {series: values}
    found = next(rule for rule in RULES if rule["alert"] == alert)
    expected = [{"exp_labels": {**found["labels"], **fires}}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": told} for name, told in given.items()],
        "promql_expr_test": [],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }


def counts(series: dict[str, str], alert: str, at: str, **fires: str) -> dict[str, Any]:
    """The same, of two counters."""
    return when({name.replace("{more}", ""): values for name, values in series.items()}, "", alert, at, **fires)


CASES = {
    "a failure of 4 minutes is none": when(
        f"telemetry_handler_consecutive_failures{{{HERE}}}", "0 1 2 3 4 0", "TelemetryHandlerFailing", "5m"
    ),
    "a failure of 6 minutes is told": when(
        f"telemetry_handler_consecutive_failures{{{HERE}}}", "1+1x10", "TelemetryHandlerFailing", "6m",
        handler="kafka", instance="a",
    ),
    "an open circuit is told": when(
        f"telemetry_handler_circuit_open{{{HERE}}}", "1x10", "TelemetryHandlerCircuitOpen", "3m",
        handler="kafka", instance="a",
    ),
    "a lag that grows is told": when(
        f"telemetry_handler_lag_seconds{{{HERE}}}", "0+60x30", "TelemetryHandlerLagGrowing", "20m",
        handler="kafka", instance="a",
    ),
    "a lag that shrinks is not": when(
        f"telemetry_handler_lag_seconds{{{HERE}}}", "9000-60x30", "TelemetryHandlerLagGrowing", "20m"
    ),
    "the very first loss is told": when(
        f'telemetry_handler_dropped_rows_total{{{HERE},reason="journal_full"}}', "_ _ _ 500 500",
        "TelemetryRowsDropped", "4m", handler="kafka", instance="a", reason="journal_full",
    ),
    "a loss of yesterday is not": when(
        f'telemetry_handler_dropped_rows_total{{{HERE},reason="journal_full"}}', "500x60", "TelemetryRowsDropped", "50m"
    ),
    "a row too many is as bad as one too few": when(
        f"telemetry_handler_unaccounted_rows{{{HERE}}}", "-1x10", "TelemetryRowsUnaccounted", "3m",
        handler="kafka", instance="a",
    ),
    "all traffic is seen": counts({EXPECTED: "0+100x30", SEEN: "0+100x30"}, "TelemetryTrafficUnseen", "20m"),
    "a fiftieth that is not seen is told": counts(
        {EXPECTED: "0+100x30", SEEN: "0+98x30"}, "TelemetryTrafficUnseen", "20m", **WEB
    ),
    "what one process expects another may see": counts(
        {EXPECTED: "0+100x30", SEEN: "0+40x30", SEEN.replace("{more}", ',instance="b"'): "0+60x30"},
        "TelemetryTrafficUnseen", "20m",
    ),
    "no traffic is nothing unseen": counts({EXPECTED: "100x30", SEEN: "90x30"}, "TelemetryTrafficUnseen", "20m"),
    "a workload of which nothing comes is told": counts(
        {EXPECTED: "0+100x30", SEEN: "0x30"}, "TelemetryWorkloadUnseen", "25m", **WEB
    ),
    "and not twice": counts({EXPECTED: "0+100x30", SEEN: "0x30"}, "TelemetryTrafficUnseen", "25m"),
    "a workload without traffic is not": counts({EXPECTED: "7x30", SEEN: "0x30"}, "TelemetryWorkloadUnseen", "25m"),
}  # fmt: skip


@pytest.mark.real
def test_they_fire_when_they_should_and_not_else(promtool_binary, tmp_path):
    tests = [{"name": name, **case} for name, case in CASES.items()]
    for test in tests:
        for expected in (one for case in test["alert_rule_test"] for one in case["exp_alerts"]):
            expected["exp_annotations"] = annotations(promtool_binary, test, tmp_path)
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    promtool(promtool_binary, "test", "rules", path)


def annotations(binary: Path, test: dict[str, Any], folder: Path) -> dict[str, str]:
    """What promtool says the annotations are; it compares them too, and has no other way to leave them out."""
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([binary, "test", "rules", path], capture_output=True, text=True, timeout=60, check=False)
    got = (done.stdout + done.stderr).partition("got:")[2]
    found = {name: re.search(rf'{name}="((?:[^"\\]|\\.)*)"', got) for name in ("summary", "description")}
    assert all(found.values()), f"{test['name']}: does not fire\n{done.stdout}{done.stderr}"
    return {name: match[1].replace('\\"', '"') for name, match in found.items() if match}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_says_what_is_wrong_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert len(rule["annotations"]["summary"]) > 20
    assert len(rule["annotations"]["description"]) > 60
    assert f"### {rule['alert']}" in PAGE, "neither docs/delivery.md nor docs/completeness.md has such a heading"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_speaks_of_metrics_that_there_are(rule):
    ours = {metric.name for metric in SelfMetrics().described} | METRICS.keys()
    assert set(re.findall(r"telemetry_\w+", rule["expr"])) <= ours
