"""Error budgets, counted request by request over pairs of windows."""

from typing import Any

import pytest

from telemetry.catalog import CatalogFile
from telemetry.edges import EdgeStore
from telemetry.health import Burn, Status, burns
from tests.edges.rows import edge, edges
from tests.rows import NOW_NS, SECOND_NS

START_NS = NOW_NS // (3600 * SECOND_NS) * 3600 * SECOND_NS


def promising(**objectives: Any) -> CatalogFile:
    service = {"name": "reviews", "namespace": "default", "objectives": objectives}
    return CatalogFile.model_validate({"services": [service]}, by_alias=True, by_name=True)


async def burn_of(minutes: dict[int, dict[str, Any]], at_minute: int, **objectives: Any) -> Burn:
    """The burn of the first objective, where the edge had this traffic in these minutes."""
    now_ns = START_NS + at_minute * 60 * SECOND_NS
    async with EdgeStore(None, clock_ns=lambda: now_ns) as store:
        for minute, traffic in minutes.items():
            start = START_NS + minute * 60 * SECOND_NS
            row = edge("web", "reviews", **{"start": start, "time": start, "last_seen": start, **traffic})
            await store.export(edges(row, sequence=minute))
        catalog = promising(**objectives)
        found = await store.ask(lambda reader: burns(reader, catalog.services, now_ns / SECOND_NS))
    return found["default/reviews"][0]


async def test_no_errors_burn_nothing() -> None:
    burn = await burn_of({minute: {"requests": 10} for minute in range(60)}, 60, availability=0.99)
    assert set(burn.rates.values()) == {0.0}
    assert (burn.firing, burn.status, burn.spent_ratio) == ((), Status.HEALTHY, 0)


async def test_no_requests_are_no_verdict() -> None:
    burn = await burn_of({}, 60, availability=0.99)
    assert set(burn.rates.values()) == {None}
    assert burn.spent_ratio is None


async def test_as_many_errors_as_allowed_burn_at_rate_one() -> None:
    burn = await burn_of({minute: {"requests": 100, "server_errors": 1} for minute in range(60)}, 60, availability=0.99)
    assert burn.rates[300] == pytest.approx(1)
    assert burn.rates[3600] == pytest.approx(1)
    assert [pair.rate for pair in burn.firing] == [1.0], "only the slowest pair"
    assert burn.status is Status.DEGRADED


async def test_a_short_burst_does_not_fire_before_the_long_window_agrees() -> None:
    quiet = {minute: {"requests": 1000} for minute in range(3 * 24 * 60 - 300, 3 * 24 * 60 - 5, 5)}
    burst = {3 * 24 * 60 - 3: {"requests": 100, "server_errors": 15}}
    burn = await burn_of(quiet | burst, 3 * 24 * 60, availability=0.99)
    assert burn.rates[300] == pytest.approx(15)
    assert (burn.rates[3600] or 0) < 14.4
    assert burn.firing == ()


async def test_a_past_burst_does_not_fire_any_more() -> None:
    traffic = {minute: {"requests": 100, "server_errors": 50} for minute in range(30)}
    traffic |= {minute: {"requests": 100} for minute in range(30, 60)}
    burn = await burn_of(traffic, 60, availability=0.99)
    assert (burn.rates[300], burn.rates[3600]) == (0, pytest.approx(25))
    assert [pair.rate for pair in burn.firing] == [1.0], "the short windows of the fast pairs are quiet"


async def test_fast_burning_fires_as_failure() -> None:
    burn = await burn_of({minute: {"requests": 100, "unanswered": 20} for minute in range(60)}, 60, availability=0.99)
    assert [pair.rate for pair in burn.firing] == [14.4, 6.0, 1.0]
    assert burn.status is Status.FAILURE
    assert burn.spent_ratio == pytest.approx(20)


async def test_latency_is_counted_at_the_very_threshold_promised() -> None:
    slow = [{"threshold_ms": 300.0, "slow": 3, "total": 100}, {"threshold_ms": 500.0, "slow": 1, "total": 100}]
    burn = await burn_of({59: {"requests": 100, "slow": slow}}, 60, latency={"threshold": "300ms", "ratio": 0.99})
    assert (burn.threshold_s, burn.allowed_ratio) == (0.3, 0.01)
    assert burn.rates[300] == pytest.approx(3)


async def test_a_service_without_namespace_in_the_catalog_is_of_any() -> None:
    service = {"name": "reviews", "objectives": {"availability": 0.99}}
    catalog = CatalogFile.model_validate({"services": [service]}, by_alias=True, by_name=True)
    async with EdgeStore(None, clock_ns=lambda: START_NS) as store:
        times = dict.fromkeys(("start", "time", "last_seen"), START_NS - 60 * SECOND_NS)
        night = {"destination.service.namespace": "night"}
        rows = [edge(requests=50, server_errors=1, **times), edge(requests=50, **{**times, **night})]
        await store.export(edges(*rows))
        found = await store.ask(lambda reader: burns(reader, catalog.services, START_NS / SECOND_NS))
    assert found["reviews"][0].rates[300] == pytest.approx(1)


async def test_clients_errors_burn_nothing() -> None:
    burn = await burn_of({59: {"requests": 100, "client_errors": 100}}, 60, availability=0.99)
    assert burn.rates[300] == 0


async def test_promises_that_allow_no_error_burn_without_end_at_the_first() -> None:
    burn = await burn_of({59: {"requests": 100, "server_errors": 1}}, 60, error_ratio=0.000001)
    assert burn.rates[300] == pytest.approx(10_000)
