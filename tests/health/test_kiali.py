"""Kiali's health, case by case as its own calculator decides them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.health import DEFAULT_TOLERANCES, Health, Status, Tolerance, request_health
from telemetry.health.kiali import combined


@pytest.mark.parametrize(
    ("inbound", "status", "percent"),
    [
        ({}, Status.NA, None),
        ({"http": {"200": 100}}, Status.HEALTHY, 0),
        ({"http": {"200": 100, "301": 5}}, Status.HEALTHY, 0),
        # Degraded from the first error on; failed from ten in a hundred, the tenth included.
        ({"http": {"200": 999, "500": 1}}, Status.DEGRADED, 0.1),
        ({"http": {"200": 91, "503": 9}}, Status.DEGRADED, 9),
        ({"http": {"200": 90, "503": 10}}, Status.FAILURE, 10),
        ({"http": {"200": 90, "500": 5, "504": 5}}, Status.FAILURE, 10),
        # Clients' errors: ten in a hundred, and twenty.
        ({"http": {"200": 91, "404": 9}}, Status.HEALTHY, 0),
        ({"http": {"200": 90, "404": 10}}, Status.DEGRADED, 10),
        ({"http": {"200": 80, "404": 20}}, Status.FAILURE, 20),
        # Each tolerance for itself: 9 % of one and 9 % of the other are no failure.
        ({"http": {"200": 82, "404": 9, "500": 9}}, Status.DEGRADED, 9),
        ({"grpc": {"0": 99, "14": 1}}, Status.DEGRADED, 1),
        ({"grpc": {"0": 90, "16": 10}}, Status.FAILURE, 10),
        # Seventeen is no status of gRPC's; an HTTP code over gRPC matches no tolerance.
        ({"grpc": {"0": 50, "17": 50}}, Status.HEALTHY, 0),
        ({"grpc": {"0": 50, "503": 50}}, Status.HEALTHY, 0),
        ({"http": {"200": 99, "-": 1}}, Status.DEGRADED, 1),
        ({"grpc": {"0": 9, "-": 1}}, Status.FAILURE, 10),
        # A protocol that no tolerance is of.
        ({"tcp": {"-": 100}}, Status.NA, None),
        # The worst protocol counts, whatever its share of all requests.
        ({"http": {"200": 1_000_000}, "grpc": {"13": 1}}, Status.FAILURE, 100),
    ],
)  # fmt: skip
def test_default_tolerances_decide_as_in_kiali(
    inbound: dict[str, dict[str, float]], status: Status, percent: float | None
) -> None:
    found = request_health(inbound, {})
    assert found.status is status
    assert found.error_percent == (None if percent is None else pytest.approx(percent))


def test_outbound_counts_as_inbound_does_and_the_worse_wins() -> None:
    assert request_health({"http": {"200": 1}}, {"http": {"500": 1}}) == Health(Status.FAILURE, 100)
    assert request_health({"http": {"500": 1}}, {"http": {"200": 1}}) == Health(Status.FAILURE, 100)


def test_of_both_reporters_the_greater_number_counts_code_by_code() -> None:
    source = {"http": {"200": 10, "503": 1}}
    destination = {"http": {"200": 9, "503": 4}, "grpc": {"0": 2}}
    assert combined(source, destination) == {"http": {"200": 10, "503": 4}, "grpc": {"0": 2}}


def test_a_tolerance_can_be_of_one_direction() -> None:
    inbound_only = (Tolerance("5XX", "http", "inbound", failure_percent=1),)
    assert request_health({}, {"http": {"500": 1}}, inbound_only).status is Status.NA
    assert request_health({"http": {"500": 1}}, {}, inbound_only).status is Status.FAILURE


def test_a_failure_threshold_of_zero_never_fails() -> None:
    assert request_health({"http": {"500": 1}}, {}, (Tolerance("5xx", "http"),)).status is Status.DEGRADED


def test_kialis_order_of_words_is_the_order_of_severity() -> None:
    assert [str(one) for one in sorted(Status, reverse=True)] == ["Failure", "Degraded", "Not Ready", "Healthy", "NA"]


codes = st.dictionaries(st.sampled_from(["200", "404", "500", "503", "-", "0", "14"]), st.integers(1, 1000), max_size=5)
traffic = st.dictionaries(st.sampled_from(["http", "grpc"]), codes, max_size=2)


@given(traffic, traffic)
def test_more_traffic_without_errors_never_makes_it_worse(inbound: dict, outbound: dict) -> None:
    before = request_health(inbound, outbound)
    better = {protocol: {**of, "200": of.get("200", 0) + 10_000} for protocol, of in inbound.items()}
    after = request_health(better, outbound)
    assert after.status <= max(before.status, Status.HEALTHY)
    assert before.error_percent is None or 0 <= before.error_percent <= 100


@given(traffic)
def test_every_default_tolerance_is_one_of_kialis_four(inbound: dict) -> None:
    assert len(DEFAULT_TOLERANCES) == 4
    assert request_health(inbound, {}) == request_health({}, inbound)
