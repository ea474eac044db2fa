"""Which rows a sample has: always the same requests, never fewer of what matters."""

from uuid import UUID

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.batch import Template
from telemetry.parts import Parts
from tests.rows import logentries
from tests.rules.given import EVERY, Clock, rows_of, rule, rules, selected, values

SECOND_NS = 1_000_000_000
MANY = [f"{UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)}" for number in range(4000)]


def kept(ids, percent, by="request_id", column="request.id"):
    batch = logentries(*({column: one, "response.outcome": "success"} for one in ids))
    return set(values(selected(batch, rule(sampling={"percent": percent, "by": by})), column))


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_about_so_many_per_cent_are_kept(percent):
    expected = len(MANY) * percent / 100
    assert len(kept(MANY, percent)) == pytest.approx(expected, abs=5 * expected**0.5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(min_size=1, max_size=40) | st.sampled_from(MANY), min_size=1, unique=True, max_size=30))
def test_the_same_request_is_kept_whatever_comes_with_it(ids):
    together = kept(ids, 40)
    assert together == {one for one in ids if kept([one], 40)}


def test_who_is_in_a_small_sample_is_in_a_larger_one_too():
    assert kept(MANY, 5) <= kept(MANY, 20)


def test_a_request_is_drawn_as_envoys_tracing_draws_it():
    # Envoy: the first eight hexadecimal digits, modulo 10,000, below the percentage times 100.
    assert kept(MANY, 12.5) == {one for one in MANY if int(one[:8], 16) % 10_000 < 1250}


def test_a_trace_is_drawn_as_opentelemetry_draws_it():
    # OpenTelemetry: the last 56 bits of the trace id, at or above the threshold of rejection.
    traces = [one.replace("-", "") for one in MANY]
    expected = {one for one in traces if int(one[-14:], 16) >= 0.75 * 2**56}
    assert kept(traces, 25, by="trace_id", column="trace.id") == expected


def test_a_trace_that_is_not_there_leaves_it_to_the_request():
    assert kept(MANY, 30, by="trace_id") == kept(MANY, 30)


def test_all_spans_of_a_request_are_kept_or_none():
    ids = MANY[:500]
    spans = rows_of(Template.TRACESPAN, *({"request.id": one, "response.outcome": "success"} for one in ids * 2))
    found = values(selected(spans, rule(sampling={"percent": 50})), "request.id")
    assert all(found.count(one) == 2 for one in found)


def test_a_row_without_any_name_is_drawn_by_its_place_and_so_again_when_it_is_offered_again():
    batch = logentries(*({"response.outcome": "success"} for _ in range(1000)))
    sampled = rules(rule(sampling={"percent": 50}))
    first, again = (sampled.select_for("audit", EVERY)(batch) for _ in range(2))
    assert first.batch.row_numbers.to_list() == again.batch.row_numbers.to_list()
    assert len(first.batch.rows) == pytest.approx(500, abs=80)
    half = batch.take(pl.Series(np.arange(1000) >= 500))
    numbers = [number for number in first.batch.row_numbers if number >= 500]
    assert sampled.select_for("audit", EVERY)(half).batch.row_numbers.to_list() == numbers


@pytest.mark.parametrize("name", ["\0", "😀" * 5000, 'a"b\n', "zzzzzzzz", "é", "x" * 1_000_000])
def test_a_hostile_name_is_drawn_like_any(name):
    assert kept([name, *MANY[:3]], 100) >= {name}
    assert kept([name], 50) == kept([name, *MANY], 50) & {name}


def test_errors_and_slow_requests_are_always_kept():
    batch = logentries(
        {"response.outcome": "success", "response.duration": SECOND_NS // 2},
        {"response.outcome": "client_error", "response.duration": 1},
        {"response.outcome": "server_error"},
        {"response.outcome": "none"},
        {"response.outcome": "success", "response.duration": 2 * SECOND_NS},
        {"response.outcome": "success", "response.duration": 2 * SECOND_NS, "latency.excluded": True},
    )
    chosen = selected(batch, rule(sampling={"percent": 0, "slower_than": "1s"}))
    assert chosen.batch.row_numbers.to_list() == [1, 2, 3, 4]
    assert (chosen.filtered, chosen.sampled_out) == (0, 2)


def test_errors_are_sampled_too_where_nobody_keeps_them():
    batch = logentries({"response.outcome": "server_error"})
    assert selected(batch, rule(sampling={"percent": 0, "keep_errors": False})).sampled_out == 1


def test_a_rate_limit_lets_go_what_the_seconds_gather_and_no_more_than_a_burst():
    clock = Clock()
    limit = {"rate_limit": {"rows_per_second": 10, "burst": 15}}
    select = rules(rule(sampling=limit), clock=clock).select_for("audit", EVERY)
    batch = logentries(*({"response.outcome": "success"} for _ in range(20)))
    assert [len(select(batch).batch.rows) for _ in range(2)] == [15, 0]
    clock.now_ns += SECOND_NS
    assert select(batch).sampled_out == 10
    clock.now_ns += 100 * SECOND_NS
    assert len(select(batch).batch.rows) == 15


@pytest.mark.parametrize(("rate", "again"), [(15, 0), (20, 20)])
def test_a_rate_limit_that_has_not_changed_is_not_filled_anew_by_other_rules(rate, again):
    batch = logentries(*({"response.outcome": "success"} for _ in range(30)))
    limited = rule(sampling={"rate_limit": {"rows_per_second": 15}})
    parts = Parts()
    assert len(rules(limited, keep=parts.part).select_for("audit", EVERY)(batch).batch.rows) == 15
    changed = rule("1 == 1", sampling={"rate_limit": {"rows_per_second": rate}})
    after = rules(changed, rule(name="other"), keep=Parts(parts).part)
    assert len(after.select_for("audit", EVERY)(batch).batch.rows) == 30, "the other rule keeps all"
    after = rules(changed, keep=Parts(parts).part)
    assert len(after.select_for("audit", EVERY)(batch).batch.rows) == again


def test_errors_use_up_no_rate():
    batch = logentries(*({"response.outcome": outcome} for outcome in ["server_error"] * 5 + ["success"] * 5))
    chosen = selected(batch, rule(sampling={"rate_limit": {"rows_per_second": 2}}))
    assert values(chosen, "response.outcome") == ["server_error"] * 5 + ["success"] * 2


def test_what_another_rule_keeps_uses_up_no_rate():
    batch = logentries(*({"response.code": code, "response.outcome": "success"} for code in (200, 200, 201, 201)))
    limited = rule("true", name="some", sampling={"rate_limit": {"rows_per_second": 1}})
    chosen = selected(batch, limited, rule("response.code == 200", name="all"))
    assert values(chosen, "response.code") == [200, 200, 201]


def test_a_share_finer_than_envoys_step_is_kept_too_and_stands_between_its_neighbours():
    ids = [f"{number * 0x9E3779B1 % 2**32:08x}-rest" for number in range(1_000_000)]
    rare, often = (len(kept(ids, percent)) for percent in (0.004, 99.996))
    assert rare == pytest.approx(40, abs=20)
    assert len(ids) - often == pytest.approx(40, abs=20)
    assert kept(ids, 12.5) <= kept(ids, 12.504) <= kept(ids, 12.51)


def test_a_share_finer_than_envoys_step_is_kept_of_what_is_hashed_too():
    ids = [f"request {number}" for number in range(300_000)]
    assert len(kept(ids, 0.004)) == pytest.approx(12, abs=11)
