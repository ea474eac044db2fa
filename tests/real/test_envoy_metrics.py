"""A real Envoy's metrics: our page shows what its own page shows."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from telemetry.config.envoy_metrics import EnvoyMetricsSettings
from tests.envoy_stats.pages import Series, one, samples, types
from tests.real.metrics_envoy import INBOUND, PLAIN, REVIEWS, Scene, scene

pytestmark = pytest.mark.real

IDENTITY = {"node_id": "envoy-1", "workload": "web", "workload_namespace": ""}
AS_ENVOY_CUTS_THEM = EnvoyMetricsSettings(repair=False)
SINKS = [
    {"emit_tags_as_labels": True},
    {"emit_tags_as_labels": False, "batch_size": 40},
    {"emit_tags_as_labels": True, "report_counters_as_deltas": True, "batch_size": 7},
    {"emit_tags_as_labels": False, "report_counters_as_deltas": True, "histogram_emit_mode": "HISTOGRAM"},
]
Page = Mapping[Series, float]


def unread(page: Page) -> dict[Series, float]:
    """Leave out what the reading of a page itself changes, and how much memory is in use."""
    return {
        (name, labels): value
        for (name, labels), value in page.items()
        if "listener_admin" not in name
        and ("envoy_http_conn_manager_prefix", "admin") not in labels
        and not name.startswith(("envoy_server_memory", "envoy_server_stats_recent_lookups", "envoy_filesystem"))
    }


def own(text: str) -> dict[Series, float]:
    page = samples(text, IDENTITY)
    return unread({series: value for series, value in page.items() if not series[0].startswith("telemetry_")})


def differing(ours: Page, before: Page, after: Page) -> dict[Series, tuple[float, float, float]]:
    """What does not lie between Envoy's page before and after; sums may differ in their last digits."""
    return {
        series: (before[series], value, after[series])
        for series, value in ours.items()
        if not min(before[series], after[series]) <= value <= max(before[series], after[series])
        and not math.isclose(value, after[series], rel_tol=1e-12)
    }


async def pages(world: Scene) -> tuple[Page, str, Page]:
    """Give Envoy's page, ours once it has sent twice more, and Envoy's again."""
    before = samples(await world.admin("/stats/prometheus"))
    await world.flushed()
    text = world.receiving.text()
    return unread(before), text, unread(samples(await world.admin("/stats/prometheus")))


@pytest.mark.parametrize("sink", SINKS, ids=str)
async def test_our_page_equals_envoy_s(
    sink: dict[str, Any], envoy_binary: Path, tmp_path: Path, free_port: Callable[..., int]
) -> None:
    async with scene(envoy_binary, tmp_path, free_port, AS_ENVOY_CUTS_THEM, **sink) as world:
        for _ in range(3):
            await world.ask(2)
            await world.flushed(1)
        await world.flushed()
        before, text, after = await pages(world)
        ours = own(text)
        assert ours.keys() <= after.keys()
        assert not differing(ours, before, after)
        used = unread(samples(await world.admin("/stats/prometheus?usedonly")))
        assert used.keys() == ours.keys()
        kinds = types(await world.admin("/stats/prometheus"))
        mine = types(text)
        assert {name: mine[name] for name in mine if not name.startswith("telemetry_")} == {
            name: kinds[name] for name in mine if not name.startswith("telemetry_")
        }
        assert sum(math.isclose(before[series], after[series]) for series in ours) > 0.98 * len(ours) > 500


@pytest.mark.parametrize("labels", [True, False])
async def test_names_that_envoy_cuts_are_whole_on_our_page(
    labels: bool, envoy_binary: Path, tmp_path: Path, free_port: Callable[..., int]
) -> None:
    settings = EnvoyMetricsSettings()
    async with scene(envoy_binary, tmp_path, free_port, settings, emit_tags_as_labels=labels) as world:
        await world.ask(5)
        await world.flushed()
        page = samples(world.receiving.text())
        assert not [name for name, _ in page if "svc_cluster_local" in name or "0_0_0" in name]
        answered = {"envoy_cluster_name": REVIEWS, "node_id": "envoy-1"}
        assert one(page, "envoy_cluster_upstream_rq", envoy_response_code="200", **answered) == 5
        assert one(page, "envoy_cluster_upstream_rq_xx", envoy_response_code_class="5", **answered) == 5
        assert one(page, "envoy_cluster_retry_upstream_rq_xx", envoy_response_code_class="5", **answered) == 5
        assert one(page, "envoy_cluster_upstream_rq_time_bucket", le="+Inf", **answered) == 10
        inbound = {"envoy_http_conn_manager_prefix": INBOUND}
        assert one(page, "envoy_http_downstream_rq_total", **inbound) == 20
        assert one(page, "envoy_listener_http_downstream_rq_xx", envoy_response_code_class="2", **inbound) == 10


async def test_a_killed_envoy_goes_on_counting_where_it_stopped(
    envoy_binary: Path, tmp_path: Path, free_port: Callable[..., int]
) -> None:
    async with scene(envoy_binary, tmp_path, free_port, AS_ENVOY_CUTS_THEM, emit_tags_as_labels=True) as world:
        await world.ask(3)
        await world.flushed()
        await world.kill()
        stopped = own(world.receiving.text())
        await world.envoy.start()
        await world.ask(5)
        await world.flushed()
        before, text, after = await pages(world)
        ours, kinds = own(text), types(text)
        for name in ("envoy_cluster_upstream_rq_total", "envoy_cluster_upstream_rq_time_count"):
            labels = {"envoy_cluster_name": PLAIN}
            assert one(ours, name, **labels) == one(stopped, name, **labels) + one(after, name, **labels)
        gauges = {series: value for series, value in ours.items() if kinds.get(series[0]) == "gauge"}
        assert not differing({series: value for series, value in gauges.items() if series in after}, before, after)


async def test_summaries_alone_become_gauges_and_counters(
    envoy_binary: Path, tmp_path: Path, free_port: Callable[..., int]
) -> None:
    sink = {"emit_tags_as_labels": True, "histogram_emit_mode": "SUMMARY"}
    async with scene(envoy_binary, tmp_path, free_port, AS_ENVOY_CUTS_THEM, **sink) as world:
        await world.ask(3)
        await world.flushed()
        page, labels = own(world.receiving.text()), {"envoy_cluster_name": PLAIN}
        envoys = samples(await world.admin("/stats/prometheus"))
        for name in ("envoy_cluster_upstream_rq_time_count", "envoy_cluster_upstream_rq_time_sum"):
            assert math.isclose(one(page, name, **labels), one(envoys, name, **labels))
        assert one(page, "envoy_cluster_upstream_rq_time", quantile="0.5", **labels) >= 0
