"""What may be written of rules and metrics, and what is said of what may not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from telemetry.batch import Template
from telemetry.config import Settings
from telemetry.config.loading import parse
from telemetry.config.metrics import MetricSettings, metrics_of
from telemetry.errors import ConfigError
from telemetry.plugin import Adapter
from telemetry.processors.standard_metrics import Mode
from tests.config.adapters import Recorder


class Sums(Recorder):
    accepts = frozenset({Template.METRIC})


INSTALLED: dict[str, type[Adapter]] = {"recorder": Recorder, "prometheus": Sums}
HANDLERS = "handlers: {audit: {adapter: recorder}, prometheus: {adapter: prometheus}}\n"


def settings(text: str) -> Settings:
    return parse((HANDLERS + text).encode(), "t.yaml", folder=Path(), installed=INSTALLED)


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    (one,) = caught.value.faults
    assert (one.file, one.line) == ("t.yaml", 2)
    return str(one).split(": ", 1)[1]


def test_a_rule_is_read_as_it_is_written() -> None:
    (one,) = settings("""rules:
  - name: writes
    match: request.method in ["POST"]
    handlers: [audit]
    templates: [logentry]
    sampling: {percent: 5, by: trace_id, rate_limit: {rows_per_second: 100, burst: 500}, slower_than: 1s}
""").rules
    assert (one.name, one.handlers, one.templates) == ("writes", ("audit",), (Template.LOGENTRY,))
    assert one.sampling is not None
    assert (one.sampling.percent, one.sampling.slower_than_s, one.sampling.keep_errors) == (5, 1.0, True)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("handlers: [audti]", "rules[0].handlers: no handler is named audti; did you mean audit?"),
        (
            "handlers: [audit], templates: [logentries]",
            "rules[0].templates[0]: there is no template logentries; did you mean logentry?",
        ),
        (
            "handlers: [audit], match: reponse.code > 3",
            "rules[0].match: in rows of logentry: there is no attribute reponse.code\n"
            "  reponse.code > 3\n  ^\ndid you mean response.code or response.outcome or",
        ),
        (
            "handlers: [prometheus], match: request.method == 'GET'",
            "rules[0].match: in rows of metric, whose rows are sums: they have metric, kind, unit and "
            "labels; a metric's own match sees requests: there is no attribute request.method",
        ),
        (
            "handlers: [audit], templates: [logentry, edge], match: response.code == 1",
            "rules[0].match: in rows of edge: there is no attribute response.code",
        ),
        (
            "handlers: [audit, prometheus], match: has(request.method)",
            "rules[0].match: handler prometheus accepts metric; this is about logentry",
        ),
        (
            "handlers: [prometheus], templates: [logentry]",
            "rules[0]: handler prometheus accepts metric; this is about logentry",
        ),
        (
            "handlers: [prometheus], templates: [metric], sampling: {percent: 5}",
            "rules[0].sampling: rows of metric are sums, of which a part says nothing; leave sampling or it "
            "out",
        ),
        ("handlers: [audit], sampling: {percent: 101}", "rules[0].sampling.percent: must be at most 100"),
        ("handlers: [audit], match: 5", "rules[0].match: must be text; put it in quotes if it looks like"),
    ],
)  # fmt: skip
def test_a_fault_of_a_rule_says_what_would_be_right(rule: str, said: str) -> None:
    assert fault(f"rules: [{{name: a, {rule}}}]").startswith(said)


def test_a_fault_stands_at_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        settings("rules:\n  - name: a\n    handlers: [prometheus, audti]\n    match: labels.x ==\n")
    assert [(one.line, one.column, one.path) for one in caught.value.faults] == [
        (4, 15, "rules[0].handlers"), (5, 12, "rules[0].match"),
    ]  # fmt: skip


def test_rules_have_names_of_their_own() -> None:
    twice = "rules: [{name: a, handlers: [audit]}, {name: a, handlers: [audit]}]"
    assert fault(twice) == "rules: lists a twice"


def test_a_rule_made_in_python_names_handlers_too() -> None:
    with pytest.raises(ValidationError, match="no handler is named audit; there are: prometheus"):
        Settings.model_validate({"rules": [{"name": "a", "handlers": ["audit"]}]})


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("name: 5xx_total", "metrics[0].name: '5xx_total' is no metric name: letters, digits, _ and :"),
        ("name: telemetry_x_total", "metrics[0].name: names that begin with telemetry_ are for what we"),
        ("name: istio_requests_total", "metrics[0]: istio_requests_total is taken by Istio's"),
        (
            "name: istio_request_bytes_sum, kind: gauge",
            "metrics[0].kind: istio_request_bytes_sum would be taken for a part of another metric",
        ),
        ("name: x, kind: counter", "metrics[0].kind: a counter's name ends with _total: x_total"),
        ("name: x_total, value: request.method", "metrics[0].value: this is string, but double is needed"),
        ("name: x_total, value: response.duration", "metrics[0].value: this is a duration, but 1 is no unit of time"),
        ("name: x_total, dimensions: {le: request.method}", "metrics[0].dimensions.le: 'le' can't be a"),
        ("name: x_total, dimensions: {a: request.path2}", "metrics[0].dimensions.a: there is no attribute"),
        ("name: x_total, dimensions: {a: request.headers}", "metrics[0].dimensions.a: a label is text"),
        ("name: x_total, dimensions: {}", "metrics[0].dimensions: must have at least 1"),
        ("name: x_total, buckets: [1]", "metrics[0]: only a histogram has buckets; x_total is a counter"),
        ("name: x, kind: histogram, buckets: [2, 1]", "metrics[0].buckets: bounds must be finite and"),
        ("name: x_total, match: response.code", "metrics[0].match: this is int, but bool is needed here"),
    ],
)  # fmt: skip
def test_a_fault_of_a_metric_says_what_would_be_right(metric: str, said: str) -> None:
    assert fault(f"metrics: [{{{metric}}}]").startswith(said)


def test_a_metrics_value_may_be_a_duration_where_its_unit_is_one_of_time() -> None:
    (metric,) = settings("metrics: [{name: waits, kind: histogram, value: time.upstream_wait, unit: s}]").metrics
    assert (metric.value, metric.unit) == ("time.upstream_wait", "s")
    assert fault("metrics: [{name: x_total, value: response.duration, unit: ''}]").startswith("metrics[0].unit")


def test_a_counter_needs_no_kind_but_its_suffix() -> None:
    assert "ends with _total" in fault("metrics: [{name: x}]")
    assert settings("metrics: [{name: x_total}]").metrics[0].kind == "counter"


def test_metrics_that_would_be_one_on_a_page_are_refused() -> None:
    both = "metrics: [{name: x, kind: histogram}, {name: x_total}]"
    assert "would have the same names on a page" not in str(settings("metrics: [{name: x, kind: gauge}]"))
    assert fault(both).startswith("metrics: x_total and x would have the same names on a page")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("match: {metric: REQUEST_COUNTS}", "standard_metrics.overrides[0].match.metric: must be ALL_"),
        ("tagOverrides: {x: {operation: REMOVE}}", "standard_metrics.overrides[0].tagOverrides: there is no"),
        ("tagOverrides: {x: {}}", "standard_metrics.overrides[0].tagOverrides.x: UPSERT needs a value"),
        ("tagOverrides: {x: {value: '1.5'}}", "standard_metrics.overrides[0].tagOverrides.x.value: a label"),
        (
            "match: {metric: TCP_SENT_BYTES}, tagOverrides: {response_code: {operation: REMOVE}}",
            "standard_metrics.overrides[0].tagOverrides: there is no label response_code to remove",
        ),
    ],
)  # fmt: skip
def test_a_fault_of_an_override_says_what_would_be_right(override: str, said: str) -> None:
    assert fault(f"standard_metrics: {{overrides: [{{{override}}}]}}").startswith(said)


def test_what_was_written_for_istio_is_taken_as_it_is() -> None:
    made = settings("""standard_metrics:
  overrides:
    - match: {metric: GRPC_REQUEST_MESSAGES}
      disabled: true
    - match: {metric: ALL_METRICS, mode: CLIENT}
      tagOverrides:
        response_flags: {operation: REMOVE}
        request_host: {operation: UPSERT, value: request.host}
""")
    metrics = metrics_of(made.standard_metrics, made.metrics, made.probes)
    _, second = metrics.standard.overrides
    assert second.modes == {Mode.CLIENT}
    assert second.labels == {"response_flags": None, "request_host": "request.host"}
    assert metrics.probes == made.probes.user_agents


def test_a_metric_has_istios_reporter_where_nothing_is_said() -> None:
    assert list(MetricSettings(name="x_total").dimensions) == ["reporter"]
