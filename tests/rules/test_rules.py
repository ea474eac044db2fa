"""Which rows a handler gets, and what becomes of the others."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Template
from telemetry.config.rules import ProbeSettings
from telemetry.rules import everything
from tests.rows import logentries, metrics
from tests.rules.given import EVERY, Clock, rows_of, rule, rules, selected, values

SERVED = logentries(
    {"request.method": "POST", "response.code": 200, "request.useragent": "curl"},
    {"request.method": "GET", "response.code": 503, "request.useragent": "kube-probe/1.29"},
    {"request.method": None, "response.code": 200, "request.useragent": "Prometheus/2.53"},
)


def test_a_handler_gets_the_rows_that_a_rule_of_its_own_matches():
    chosen = selected(SERVED, rule('request.method in ["POST"]'))
    assert values(chosen, "request.method") == ["POST"]
    assert (chosen.filtered, chosen.sampled_out) == (2, 0)


def test_a_row_goes_once_however_many_rules_match():
    chosen = selected(SERVED, rule('request.method == "POST"'), rule("response.code >= 200", name="s"))
    assert chosen.batch is SERVED
    assert (chosen.filtered, chosen.sampled_out) == (0, 0)


def test_a_handler_that_no_rule_names_gets_all_but_probes_and_scrapes():
    chosen = selected(SERVED, rule("false"), handler="stdout")
    assert values(chosen, "request.useragent") == ["curl"]
    assert chosen.filtered == 2


def test_probes_are_rows_like_others_to_a_rule_that_is_written():
    assert len(selected(SERVED, rule("true")).batch.rows) == 3


def test_probes_are_kept_where_nobody_ignores_them():
    assert rules(probes=ProbeSettings(ignore=False)).select_for("stdout", EVERY) is everything


def test_sums_have_no_probes_in_them():
    batch = metrics(1, 2)
    assert selected(batch, handler="prometheus").batch is batch


def test_a_batch_that_matches_whole_is_not_copied():
    assert selected(SERVED, rule("response.code > 0")).batch is SERVED


def test_rows_keep_their_numbers():
    assert selected(SERVED, rule("response.code == 503")).batch.row_numbers.to_list() == [1]


def test_an_absent_attribute_does_not_match():
    assert selected(SERVED, rule('request.method != "GET"')).filtered == 2


def test_a_metric_is_chosen_by_its_labels_and_one_that_lacks_the_label_is_not():
    batch = metrics(1, 2, 3)
    assert values(selected(batch, rule('labels.at == "1"')), "value") == [2]
    assert selected(batch, rule('labels.elsewhere == "1"')).filtered == 3
    assert selected(batch, rule("!has(labels.elsewhere) && metric == 'm_total'")).batch is batch


def test_an_edge_is_chosen_by_its_ends():
    edges = rows_of(
        Template.EDGE, {"source.workload.name": "cart", "requests": 5}, {"source.workload.name": "shop", "requests": 1}
    )
    assert values(selected(edges, rule('source.workload.name == "cart" && requests > 2')), "requests") == [5]


def test_a_span_shows_the_request_that_it_was_made_of():
    spans = rows_of(
        Template.TRACESPAN,
        {"span.kind": "client", "response.code": 200},
        {"span.kind": "server", "response.code": 500},
    )
    assert values(selected(spans, rule('span.kind == "server" && response.code == 500')), "span.kind") == ["server"]


def test_a_rule_is_about_the_templates_that_have_what_it_names():
    named = rules(rule('request.method == "POST"'))
    assert named.templates_for("audit", EVERY) == {Template.LOGENTRY, Template.TRACESPAN}
    assert named.templates_for("audit", {Template.METRIC, Template.LOGENTRY}) == {Template.LOGENTRY}
    assert named.templates_for("stdout", {Template.METRIC}) == {Template.METRIC}


def test_rows_of_a_template_that_no_rule_is_about_are_filtered():
    batch = metrics(1, 2)
    assert selected(batch, rule("true", templates=["logentry"])).filtered == 2


def test_what_is_sampled_is_requests_only():
    assert Template.METRIC not in rules(rule(sampling={"percent": 5})).templates_for("audit", EVERY)


def test_handlers_with_the_same_rules_are_chosen_for_once():
    both = rules(rule("response.code == 200", "audit", "stdout"))
    one, other = (both.select_for(name, EVERY) for name in ("audit", "stdout"))
    assert one(SERVED) is other(SERVED)


def test_handlers_with_a_rate_limit_have_one_each():
    limited = rules(rule("true", "audit", "stdout", sampling={"rate_limit": {"rows_per_second": 2}}), clock=Clock())
    for name in ("audit", "stdout"):
        assert len(limited.select_for(name, EVERY)(SERVED).batch.rows) == 2


CONDITIONS = {
    "response.code >= 500": lambda row: (row["response.code"] or 0) >= 500,
    'request.method == "GET"': lambda row: row["request.method"] == "GET",
    "has(response.code)": lambda row: row["response.code"] is not None,
    "false": lambda row: False,
}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.fixed_dictionaries({
            "response.code": st.sampled_from([None, 200, 503]),
            "request.method": st.sampled_from([None, "GET", "POST"]),
            "request.id": st.sampled_from([None, "a", "1234567890"]),
            "response.outcome": st.sampled_from(["success", "server_error"]),
        }),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.tuples(st.sampled_from(sorted(CONDITIONS)), st.sampled_from([None, 0, 50])), min_size=1, max_size=4),
)  # fmt: skip
def test_every_row_is_chosen_filtered_or_sampled_out(rows, written):
    made = [
        rule(match, name=f"r{at}", sampling=None if percent is None else {"percent": percent})
        for at, (match, percent) in enumerate(written)
    ]
    batch = logentries(*rows)
    chosen = selected(batch, *made)
    assert len(chosen.batch.rows) + chosen.filtered + chosen.sampled_out == len(rows)
    matched = [any(CONDITIONS[match](row) for match, _ in written) for row in rows]
    assert chosen.filtered == matched.count(False)
    numbers = chosen.batch.row_numbers.to_list()
    assert all(matched[number] for number in numbers)
    certain = [
        any(
            CONDITIONS[match](row) and (percent is None or row["response.outcome"] != "success")
            for match, percent in written
        )
        for row in rows
    ]
    assert {at for at, sure in enumerate(certain) if sure} <= set(numbers)


@pytest.mark.parametrize("size", [0, 5])
def test_a_batch_of_any_size_is_chosen_from(size):
    batch = logentries({"response.code": 200})
    batch = batch.take(pl.Series(np.zeros(size, dtype=np.int64)))
    assert selected(batch, rule("response.code == 500")).filtered == size
