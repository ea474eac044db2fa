"""Envoys' circuit breakers become pressure on the services behind their clusters."""

from typing import Any

import polars as pl
import pytest

from telemetry.saturation import Pressure
from telemetry.saturation.breakers import Breakers, service_of_cluster
from tests.rows import NOW_NS, SECOND_NS

REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
LATEST = {
    "node_id": pl.String,
    "stat": pl.String,
    "labels": pl.List(pl.Struct({"name": pl.String, "value": pl.String})),
    "value": pl.Float64,
    "alive": pl.Boolean,
}


class Envoys:
    """What Envoys said last."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def say(self, node: str, cluster: str, *, alive: bool = True, **stats: float) -> None:
        labels = [{"name": "envoy_cluster_name", "value": cluster}]
        for name, value in stats.items():
            stat = f"cluster.{name.replace('__', '.')}"
            self.rows.append({"node_id": node, "stat": stat, "labels": labels, "value": value, "alive": alive})

    def latest(self, stats: Any) -> pl.DataFrame:
        wanted = set(stats)
        return pl.DataFrame([row for row in self.rows if row["stat"] in wanted], schema=LATEST)


@pytest.mark.parametrize(
    ("cluster", "who"),
    [
        (REVIEWS, ("default", "reviews")),
        ("outbound|9080|v2|reviews.shop.svc.cluster.local", ("shop", "reviews")),
        ("inbound|9080||", None),
        ("payments", (None, "payments")),
    ],
)
def test_a_cluster_leads_to_a_service(cluster: str, who: Any) -> None:
    assert service_of_cluster(cluster) == who


def test_the_fullest_breaker_of_the_fullest_envoy_counts() -> None:
    envoys = Envoys()
    envoys.say(
        "a", REVIEWS, upstream_rq_active=10, circuit_breakers__default__remaining_rq=90, upstream_rq_pending_active=1
    )
    envoys.say(
        "b", REVIEWS, upstream_cx_active=60, circuit_breakers__default__remaining_cx=40, upstream_rq_pending_active=2
    )
    breakers = Breakers(envoys.latest)
    breakers.refresh(NOW_NS)
    assert breakers.pressure("default", "reviews") == Pressure(0.6, 3.0, 0.0)
    assert breakers.pressure("default", "ratings") is None


def test_limits_that_are_not_told_are_not_guessed() -> None:
    envoys = Envoys()
    envoys.say("a", REVIEWS, upstream_rq_active=10)
    breakers = Breakers(envoys.latest)
    breakers.refresh(NOW_NS)
    assert breakers.pressure("default", "reviews") == Pressure(None, 0.0, 0.0)


def test_an_open_breaker_is_full() -> None:
    envoys = Envoys()
    envoys.say("a", REVIEWS, upstream_rq_active=10, circuit_breakers__default__rq_open=1)
    breakers = Breakers(envoys.latest)
    breakers.refresh(NOW_NS)
    assert breakers.pressure("default", "reviews") == Pressure(1.0, 0.0, 0.0)


def test_overflows_are_counted_from_look_to_look() -> None:
    envoys = Envoys()
    breakers = Breakers(envoys.latest)
    for second, total in ((0, 100), (10, 150), (20, 150), (30, 20)):
        envoys.rows.clear()
        envoys.say("a", REVIEWS, upstream_rq_pending_overflow=total)
        breakers.refresh(NOW_NS + second * SECOND_NS)
        found = breakers.pressure("default", "reviews")
        assert found is not None
        assert found.overflow_per_s == {0: 0, 10: 5, 20: 0, 30: 0}[second]


def test_an_envoy_that_is_gone_presses_no_more() -> None:
    envoys = Envoys()
    envoys.say("a", REVIEWS, alive=False, upstream_rq_active=10, circuit_breakers__default__remaining_rq=0)
    breakers = Breakers(envoys.latest)
    breakers.refresh(NOW_NS)
    assert breakers.pressure("default", "reviews") is None
