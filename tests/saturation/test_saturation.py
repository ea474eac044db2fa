"""Saturation: how much of what can be borne is borne."""

from typing import Any

import pytest

from telemetry.batch import Batch, Template, fault_of
from telemetry.catalog import Capacity
from telemetry.saturation import Load, Pressure, SaturationGauges, saturation_ratio
from tests.edges.rows import edge, edges

SIZED = Capacity(requests_per_second=100, concurrency=5)


@pytest.mark.parametrize(
    ("load", "capacity", "pressure", "ratio"),
    [
        (Load(50, 1), SIZED, None, 0.5),
        (Load(10, 4), SIZED, None, 0.8),
        (Load(200, 1), SIZED, None, 2.0),
        (Load(50, 4), Capacity(requests_per_second=100), None, 0.5),
        (Load(50, 4), None, None, None),
        (Load(50, 4), None, Pressure(0.9), 0.9),
        (Load(90, 1), SIZED, Pressure(0.1), 0.9),
        (Load(0, 0), None, Pressure(0.2, 5, 3.0), 1.0),
        (Load(0, 0), None, Pressure(), None),
    ],
)
def test_the_bound_that_is_nearest_counts(
    load: Load, capacity: Capacity | None, pressure: Pressure | None, ratio: float | None
) -> None:
    assert saturation_ratio(load, capacity, pressure) == ratio


def gauges(batch: Batch, **known: Capacity) -> dict[tuple[str, str, str], float]:
    made = list(SaturationGauges(lambda _, name: known.get(name), seed=1).process(batch))
    assert made[0] is batch
    found = {}
    for one in made[1:]:
        assert one.template is Template.METRIC
        assert fault_of(one) is None or "labels" in str(fault_of(one))
        for row in one.rows.iter_rows(named=True):
            labels = row["labels"]
            service = labels.get("service") or labels["destination_service"]
            found[row["metric"], labels.get("source_workload", ""), service] = row["value"]
    return found


def sent(source: str, **more: Any) -> dict[str, Any]:
    return edge(source, "reviews-v1", **more)


def test_a_service_bears_what_all_its_callers_ask() -> None:
    batch = edges(sent("web", requests=400, busy_s=5.0), sent("cron", requests=100, busy_s=20.0))
    found = gauges(batch, reviews=SIZED)
    assert found == {
        ("telemetry_service_saturation_ratio", "", "reviews"): pytest.approx(0.5),
        ("telemetry_service_concurrency", "", "reviews"): pytest.approx(2.5),
        ("telemetry_edge_saturation_ratio", "web", "reviews"): pytest.approx(0.4),
        ("telemetry_edge_saturation_ratio", "cron", "reviews"): pytest.approx(0.4),
    }


def test_a_service_of_which_nobody_knows_the_bounds_has_no_gauge() -> None:
    assert gauges(edges(sent("web", requests=400))) == {}


def test_what_envoys_say_counts_for_the_service_and_is_no_callers_share() -> None:
    class Breakers:
        def pressure(self, namespace: str | None, service: str) -> Pressure | None:
            return Pressure(0.7)

    made = list(SaturationGauges(lambda *_: None, seed=1, headroom=Breakers()).process(edges(sent("web", requests=1))))
    metrics = [row["metric"] for one in made[1:] for row in one.rows.iter_rows(named=True)]
    assert metrics == ["telemetry_service_saturation_ratio", "telemetry_service_concurrency"]


def test_other_batches_pass() -> None:
    from tests.rows import logentries

    batch = logentries({})
    assert list(SaturationGauges(lambda *_: SIZED, seed=1).process(batch)) == [batch]
