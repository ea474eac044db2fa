import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from telemetry.demo.rates import PageRates
from telemetry.demo.samples import Sample
from telemetry.demo.signals import edges, histogram_quantile
from telemetry.demo.table import edges_table

ENDS = {"reporter": "source", "source_workload": "a", "destination_workload": "b"}
BUCKET = "istio_request_duration_milliseconds_bucket"


def requests(value, code="200", **labels):
    return Sample("istio_requests_total", {**ENDS, "response_code": code, **labels}, value)


def bucket(bound, value):
    return Sample(BUCKET, {**ENDS, "le": bound}, value)


def test_an_edge_has_rate_errors_and_latency():
    (edge,) = edges([requests(6.0), requests(1.0, "503"), requests(1.0, "0"), bucket("10", 8.0), bucket("+Inf", 8.0)])
    assert (edge.source, edge.destination, edge.requests_per_s, edge.error_ratio) == ("a", "b", 8.0, 0.25)
    assert edge.latency_ms == (5.0, 9.5, 9.9)


def test_what_the_destination_reports_is_not_counted_again():
    assert edges([requests(6.0, reporter="destination")]) == []


def test_a_tcp_edge_has_bytes_only():
    (edge,) = edges(
        [Sample("istio_tcp_sent_bytes_total", ENDS, 3.0), Sample("istio_tcp_received_bytes_total", ENDS, 4.0)]
    )
    assert edge.bytes_per_s == 7.0
    assert math.isnan(edge.error_ratio)
    assert all(math.isnan(latency) for latency in edge.latency_ms)


def test_an_edge_at_rest_is_left_out():
    assert edges([requests(0.0)]) == []


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=8),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_quantiles_rise_and_stay_within_the_bounds(counts, one, other):
    bounds = [10.0 * number for number in range(1, len(counts))] + [math.inf]
    cumulative = {bound: float(sum(counts[: index + 1])) for index, bound in enumerate(bounds)}
    low, high = sorted((one, other))
    if not sum(counts):
        assert math.isnan(histogram_quantile(low, cumulative))
    else:
        assert 0 <= histogram_quantile(low, cumulative) <= histogram_quantile(high, cumulative) <= bounds[-2]


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 10.0), (0.25, 5.0), (0.75, 15.0), (1.0, 20.0)])
def test_quantiles_interpolate_as_prometheus_does(quantile, expected):
    assert histogram_quantile(quantile, {10.0: 2.0, 20.0: 4.0, math.inf: 4.0}) == expected


async def test_rates_are_growth_over_time_between_readings_of_the_page():
    pages = iter([[requests(5.0)], [requests(25.0), requests(4.0, "503")]])
    times = iter([100.0, 104.0])

    async def query():
        return next(pages)

    rates = PageRates(query, lambda: next(times))
    assert await rates.read() == []
    assert {sample.labels["response_code"]: sample.value for sample in await rates.read()} == {
        "200": 5.0,
        "503": 1.0,
    }


def test_a_hostile_workload_name_cannot_style_the_table():
    console = Console(record=True, width=200)
    (edge,) = edges([requests(1.0, source_workload="[red]x[/]")])
    console.print(edges_table([edge], ""))
    assert "[red]x[/]" in console.export_text()
