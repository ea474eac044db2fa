"""The page shows what each Envoy shows of itself: whatever happens to streams, processes and stats."""

import gzip
from pathlib import Path
from random import Random

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.batch import Template
from telemetry.envoy_stats.rules import Rules
from tests.envoy_stats.engine import STARTED_NS, Engine, stream
from tests.envoy_stats.messages import counter, families_of, family, gauge, histogram, message, summary
from tests.envoy_stats.pages import one, types

FLUSH = gzip.decompress((Path(__file__).parent / "data" / "flush.binpb.gz").read_bytes())


def test_a_real_flush_is_exposed_with_who_sent_it() -> None:
    engine, node = Engine(), stream("sidecar~1")
    engine.raw([(node, FLUSH)])
    page = engine.page(identity=True)
    labels = {"envoy_cluster_name": "plain", "envoy_response_code": "200"}
    assert one(page, "envoy_cluster_upstream_rq", **labels) > 0
    assert one(page, "envoy_cluster_upstream_rq_time_bucket", envoy_cluster_name="plain", le="+Inf") > 0
    identity = {"node_id": "sidecar~1", "workload": "web", "workload_namespace": "shop"}
    assert all(identity.items() <= dict(pairs).items() for _, pairs in page)
    assert types(engine.text())["envoy_cluster_membership_total"] == "gauge"


def test_openmetrics_takes_counters_that_end_in_total_beside_those_that_don_t() -> None:
    engine, node = Engine(), stream()
    engine.raw([(node, FLUSH)])
    found = {each.name: each for each in text_string_to_metric_families(engine.text(openmetrics=True) + "# EOF\n")}
    assert found["envoy_cluster_upstream_rq"].type == "unknown"
    assert {sample.name for sample in found["envoy_cluster_upstream_rq_total"].samples} == {
        "envoy_cluster_upstream_rq_total"
    }


def test_what_has_not_changed_makes_no_row_but_stays() -> None:
    engine, node = Engine(Rules(refresh_ns=60 * 10**9)), stream()
    engine.flush(node, counter("a", 5), gauge("b", 1), histogram("h", 1, 0, 0, 0))
    assert engine.rows == 3
    engine.flush(node, counter("a", 5), gauge("b", 1), histogram("h", 0, 0, 0, 0))
    assert engine.rows == 0
    batches = engine.flush(node, counter("a", 5), gauge("b", 1), histogram("h", 0, 0, 0, 0), after_s=60)
    assert {row["metric"]: row["value"] for batch in batches for row in batch.rows.rows(named=True)} == {
        "envoy_a": 0.0, "envoy_b": 1.0, "envoy_h": 0.0,
    }  # fmt: skip
    assert engine.value("envoy_a") == 5


def test_batches_say_which_interval_their_increases_belong_to() -> None:
    engine, node = Engine(), stream()
    (batch,) = engine.flush(node, counter("a", 5), gauge("server.uptime", 100))[:1]
    assert batch.template is Template.METRIC
    assert (batch.rows["time"] - batch.rows["start"]).dt.total_seconds().to_list() == [100, 100]
    (batch,) = engine.flush(node, counter("a", 6), after_s=7)
    assert (batch.rows["time"] - batch.rows["start"]).dt.total_seconds().to_list() == [7]


def test_histograms_of_intervals_are_added_up() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, histogram("x_ms", 1, 2, 0, 4, total=10.5))
    engine.flush(node, histogram("x_ms", 0, 1, 0, 0, total=0.5))
    page = engine.page()
    assert [page["envoy_x_ms_bucket", (("le", le),)] for le in ("0.5", "1", "5", "+Inf")] == [1, 4, 4, 8]
    assert (engine.value("envoy_x_ms_sum"), engine.value("envoy_x_ms_count")) == (11, 8)


def test_a_histogram_may_change_its_buckets_so_often() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, histogram("h", 1, 0, 0, 0))
    engine.flush(node, histogram("h", 2, 0, 0, bounds=(0.5, 2.0)))
    assert engine.page()["envoy_h_bucket", (("le", "0.5"),)] == 3
    for number in range(100):
        engine.flush(node, histogram("h", 1, 0, bounds=(100.0 + number,)), counter("good", number))
    assert engine.rejected()["too_many_bounds"] > 0
    assert engine.value("envoy_good") == 99


def test_summaries_are_left_out_where_histograms_come_too() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, summary("x", 3, 6.0, {0.5: 2.0}), histogram("x", 3, 0, 0, 0, total=6))
    assert {name for name, _ in engine.page()} == {"envoy_x_bucket", "envoy_x_sum", "envoy_x_count"}
    assert engine.rejected() == {}


def test_summaries_alone_become_a_gauge_for_each_quantile_and_counters() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, summary("x", 3, 6.0, {0.5: 2.0, 1.0: 3.0}))
    engine.flush(node, summary("x", 0, 0.0, {0.5: float("nan"), 1.0: float("nan")}))
    engine.flush(node, summary("x", 1, 9.0, {0.5: 9.0, 1.0: 9.0}))
    assert engine.page() == {
        ("envoy_x", (("quantile", "0.5"),)): 9, ("envoy_x", (("quantile", "1"),)): 9,
        ("envoy_x_sum", ()): 15, ("envoy_x_count", ()): 4,
    }  # fmt: skip


def test_increases_on_the_wire_add_up() -> None:
    engine, node = Engine(Rules(counters="delta")), stream()
    for value in (5, 0, 7, 7):
        engine.flush(node, counter("a", value))
    assert engine.value("envoy_a") == 19


def test_a_restarted_envoy_counts_from_zero_though_its_counters_have_grown_beyond_the_old_ones() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, counter("a", 10), gauge("server.uptime", 1000))
    del node
    node = stream()
    engine.flush(node, counter("a", 12, at_ms=6000), gauge("server.uptime", 3))
    assert engine.value("envoy_a") == 22


def test_an_envoy_whose_stream_broke_goes_on_where_it_was() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, counter("a", 10), gauge("server.uptime", 1000))
    del node
    node = stream()
    engine.flush(node, counter("a", 12, at_ms=31_000), gauge("server.uptime", 1030), after_s=30)
    assert engine.value("envoy_a") == 12


def test_an_envoy_that_streams_twice_counts_once() -> None:
    engine, old, new = Engine(), stream(), stream()
    engine.flush(old, counter("a", 10), histogram("h", 1, 0, 0, 0))
    for at_ms in (2000, 3000):
        told = (counter("a", 10 + at_ms / 1000, at_ms=at_ms), histogram("h", 1, 0, 0, 0, at_ms=at_ms))
        engine.flush_all([(new, told), (old, told)])
    assert (engine.value("envoy_a"), engine.value("envoy_h_count")) == (13, 3)
    assert engine.rejected() == {"duplicate_stream": 4}


def test_a_moment_that_two_streams_tell_of_in_turn_counts_once() -> None:
    engine, old, new = Engine(Rules(counters="delta")), stream(), stream()
    engine.flush_all([(old, [counter("a", 5, at_ms=2000)]), (new, [counter("a", 5, at_ms=2000)])])
    assert engine.value("envoy_a") == 5
    del new
    engine.flush(old, counter("a", 1, at_ms=3000))
    assert engine.value("envoy_a") == 6


@pytest.mark.parametrize(("initial", "uptime_s", "shown"), [
    ("keep", 3600, 12), ("drop", 3600, 2), ("auto", 3600, 2), ("auto", 2, 12),
])  # fmt: skip
def test_what_an_envoy_had_counted_before_it_came_to_us_counts_as_configured(
    initial: str, uptime_s: float, shown: float
) -> None:
    engine, node = Engine(Rules(initial_value=initial)), stream()  # type: ignore[arg-type]
    engine.flush(node, counter("a", 10), gauge("server.uptime", uptime_s))
    engine.flush(node, counter("a", 12), gauge("server.uptime", uptime_s + 5))
    assert engine.value("envoy_a") == shown


def test_what_is_denied_is_counted_and_left_out() -> None:
    engine, node = Engine(Rules(allow=("envoy_a*", "istio_*"), deny=("envoy_ab*", "istio_requests_total"))), stream()
    engine.flush(node, counter("a", 1), counter("ab", 1), gauge("c", 1), counter("istiocustom.istio_requests_total", 1))
    assert {name for name, _ in engine.page()} == {"envoy_a"}
    assert engine.metrics.registry.get_sample_value("telemetry_envoy_stats_denied_total") == 3
    assert engine.rejected() == {}


def test_names_that_would_cost_a_sink_its_batch_are_kept_out() -> None:
    engine, node = Engine(Rules(deny=())), stream()
    engine.flush(
        node, counter("x", 1), gauge("x", 1), histogram("h", 1, 0, 0, 0), gauge("h_count", 1),
        gauge("istiocustom.istio_requests_total", 1), gauge("wasmcustom.telemetry_prometheus_series", 1), gauge("y", 1),
    )  # fmt: skip
    assert {name.removesuffix("_bucket") for name, _ in engine.page()} >= {"envoy_x", "envoy_h", "envoy_y"}
    assert engine.rejected() == {"kind_conflict": 3, "reserved_name": 1}


def test_a_stat_that_comes_twice_in_a_flush_counts_once() -> None:
    engine, node = Engine(), stream()
    for value in (5, 6):
        engine.flush(node, counter("a", value - 1), counter("b", 1), counter("a", value))
    assert engine.value("envoy_a") == 6
    assert engine.rejected() == {"duplicate_stat": 2}


def test_a_million_clusters_are_bounded_and_harm_nobody_else() -> None:
    engine, good, bad = Engine(Rules(max_names=3000, max_series_per_envoy=1000)), stream("good"), stream("bad")
    for number in range(5):
        clusters = (f"cluster.{number}-{at}.upstream_rq_total" for at in range(2000))
        engine.flush_all([
            (good, [counter("a", number), gauge("b", number)]), (bad, [counter(name, 1) for name in clusters]),
        ])  # fmt: skip
    assert len([name for name, _ in engine.page() if name == "envoy_cluster_upstream_rq_total"]) == 1000
    assert engine.value("envoy_a") == 4
    assert engine.rejected() == {"too_many_series": 1998, "too_many_names": 7002}


def test_what_is_no_longer_sent_is_forgotten_and_makes_room() -> None:
    engine, node = Engine(Rules(max_names=1400, expire_after_ns=60 * 10**9)), stream()
    for number in range(6):
        engine.flush(node, counter("a", number), *(gauge(f"{number}.{at}", 1) for at in range(450)), after_s=50)
        engine.stats.flush(engine.now_ns)
    engine.stats.measure()
    assert engine.metrics.registry.get_sample_value("telemetry_envoy_stats_series") == 901
    assert engine.rejected() == {}
    assert engine.value("envoy_a") == 5


def test_an_envoy_that_is_gone_is_forgotten_whole() -> None:
    engine, node = Engine(Rules(expire_after_ns=60 * 10**9)), stream("gone")
    engine.flush(node, counter("a", 1))
    del node
    engine.stats.flush(engine.now_ns + 61 * 10**9)
    engine.stats.measure()
    for name in ("envoys", "names", "series"):
        assert engine.metrics.registry.get_sample_value(f"telemetry_envoy_stats_{name}") == 0
    assert engine.stats.latest(["a"]).is_empty()


def test_an_envoy_of_whose_two_streams_one_is_open_keeps_its_name() -> None:
    engine, first, second = Engine(Rules(expire_after_ns=60 * 10**9)), stream("a"), stream("a")
    # The second repeats what the first has said, and has not spoken yet.
    engine.flush_all([(first, [counter("a", 5, at_ms=2000)]), (second, [counter("a", 5, at_ms=2000)])])
    del first
    engine.now_ns += 61 * 10**9
    engine.stats.flush(engine.now_ns)
    other = stream("b")
    engine.flush(other, counter("a", 1, at_ms=3000))
    engine.flush(second, counter("a", 7, at_ms=4000))
    nodes = {dict(labels)["node_id"] for (name, labels) in engine.page(identity=True) if name == "envoy_a"}
    assert nodes == {"a", "b"}
    assert engine.stats.latest(["a"])["node_id"].sort().to_list() == ["a", "b"]


def test_how_many_names_there_are_is_known_without_asking_the_decoder_at_work() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, counter("a", 1), gauge("b", 1))
    engine.stats.measure()
    assert engine.metrics.registry.get_sample_value("telemetry_envoy_stats_names") == 2


def test_envoys_of_one_workload_without_node_ids_add_up() -> None:
    engine, first, second = Engine(Rules(identity=("workload",))), stream("1"), stream("2")
    engine.flush_all([(first, [counter("a", 3)]), (second, [counter("a", 4)])])
    assert engine.value("envoy_a") == 7


def test_the_last_values_can_be_asked_for_by_stat() -> None:
    engine, node = Engine(), stream()
    labels = {"envoy.cluster_name": "x"}
    for value in (5, 7):
        engine.flush(node, gauge("cluster.upstream_rq_active", value, labels), counter("other", 1))
    told = engine.stats.latest(["cluster.upstream_rq_active", "never.seen"])
    assert told.drop("time", "snapshot").rows(named=True) == [{
        "node_id": "envoy-1", "workload": "web", "workload_namespace": "shop", "stat": "cluster.upstream_rq_active",
        "labels": [{"name": "envoy_cluster_name", "value": "x"}], "kind": "gauge", "value": 7.0, "alive": True,
    }]  # fmt: skip
    assert told["time"].to_list() == [STARTED_NS + 10 * 10**9]


def test_a_native_histogram_keeps_its_exponential_buckets() -> None:
    engine, node = Engine(), stream()
    native = {
        "sample_count": 6, "sample_sum": 9.0, "schema": 1, "zero_threshold": 0.001, "zero_count": 1,
        "positive_span": [{"offset": 0, "length": 2}], "positive_delta": [2, 1],
    }  # fmt: skip
    (batch,) = engine.flush(node, family("n", 4, histogram=native))
    assert batch.rows["exponential"].to_list() == [{
        "scale": 1, "zero_threshold": 0.001, "zero_count": 1,
        "positive": [{"index": -1, "count": 2}, {"index": 0, "count": 3}], "negative": [],
    }]  # fmt: skip


BROKEN = {
    "no value": (family("x", 0), "no_value"),
    "another kind's value": (family("x", 0, gauge=1), "no_value"),
    "no name": (family("", 0, counter=1), "no_name"),
    "a negative counter": (counter("x", -1), "invalid_value"),
    "a counter that is no number": (counter("x", float("nan")), "invalid_value"),
    "bounds that descend": (histogram("x", 0, 0, 0, bounds=(2.0, 1.0)), "invalid_histogram"),
    "buckets beyond the count": (
        family("x", 4, histogram={"sample_count": 1, "bucket": [{"cumulative_count": 2, "upper_bound": 1}]}),
        "invalid_histogram",
    ),
    "spans without counts": (
        family("x", 4, histogram={"schema": 1, "positive_span": [{"offset": 0, "length": 2**32 - 1}]}),
        "invalid_histogram",
    ),
    "a gauge histogram": (family("x", 5, histogram={"sample_count": 1}), "gauge_histogram"),
    "a name of a megabyte": (counter("x" * 2**20, 1), "name_too_long"),
}


@pytest.mark.parametrize(("broken", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_stat_is_kept_out_by_reason_and_its_neighbours_are_kept(broken: object, reason: str) -> None:
    engine, node = Engine(), stream()
    engine.flush(node, counter("before", 1), broken, counter("after", 1))
    assert {name for name, _ in engine.page()} == {"envoy_before", "envoy_after"}
    assert engine.rejected() == {reason: 1}


def test_a_family_without_type_is_what_its_value_is() -> None:
    engine, node = Engine(), stream()
    engine.flush(node, family("a", None, counter=3), family("b", None, gauge=4), family("c", 3, untyped=5))
    assert engine.page() == {("envoy_a", ()): 3, ("envoy_b", ()): 4, ("envoy_c", ()): 5}
    assert engine.metrics.registry.get_sample_value("telemetry_envoy_stats_repaired_total", {"reason": "no_type"}) == 2


def test_hostile_names_and_values_come_back_as_they_were() -> None:
    engine, node = Engine(), stream()
    hostile = 'a"b\\c\nd\x00🦀'
    engine.flush(node, counter(f"x.{hostile}", 1, {"tag": hostile, "": "no name", "empty": ""}))
    (name, labels), = engine.page()  # fmt: skip
    assert name.startswith("envoy_x_a_b_c_d_")
    assert dict(labels) == {"tag": hostile.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")}


def test_garbage_costs_nothing_but_itself() -> None:
    engine, node, random = Engine(), stream(), Random(7)
    good = list(families_of(FLUSH))
    whole = message(*good)
    for _ in range(60):
        cut = bytearray(whole[: random.randrange(len(whole))])
        for _ in range(5):
            if cut:
                cut[random.randrange(len(cut))] = random.randrange(256)
        engine.raw([(stream(f"bad-{random.random()}"), bytes(cut)), (node, message(counter("fine", 1)))])
    assert engine.value("envoy_fine") == 1
