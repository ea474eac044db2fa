import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from telemetry.adapters.prometheus import Prometheus
from telemetry.errors import Rejected
from telemetry.plugin import Scraped
from tests.adapters.pages import BOUNDS, START, Mesh, Point, batch, series

DURATION = "istio_request_duration_milliseconds"
EXEMPLAR = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "value": 7.0, "time": START}


def test_the_adapter_is_scraped() -> None:
    assert isinstance(Prometheus(Prometheus.Config()), Scraped)


async def test_deltas_of_a_counter_add_up_within_a_batch_and_between_batches() -> None:
    mesh = Mesh()
    a, b = {"reporter": "source"}, {"reporter": "destination"}
    await mesh.export(
        Point("istio_requests_total", a, 2), Point("istio_requests_total", b, 5), Point("istio_requests_total", a, 3)
    )
    await mesh.export(Point("istio_requests_total", a, 1))
    assert mesh.page() == {
        series("istio_requests_total", reporter="source"): 6,
        series("istio_requests_total", reporter="destination"): 5,
    }


async def test_the_last_value_of_a_gauge_wins() -> None:
    mesh = Mesh()
    await mesh.export(*(Point("queue_bytes", {"a": "x"}, value, kind="gauge") for value in (1, -2)))
    assert mesh.page() == {series("queue_bytes", a="x"): -2}


@pytest.mark.parametrize("openmetrics", [False, True])
async def test_buckets_of_a_histogram_are_shown_cumulated_with_sum_and_count(openmetrics: bool) -> None:
    mesh = Mesh()
    await mesh.export(Point(DURATION, {"a": "x"}, 20.5, buckets=(1, 2, 0, 1)))
    await mesh.export(
        Point(DURATION, {"a": "x"}, 4, buckets=(0, 1, 0, 0)), Point(DURATION, {"a": "x"}, 1, buckets=(1, 0, 0, 0))
    )
    one, ten, hundred = ("1.0", "10.0", "100.0") if openmetrics else ("1", "10", "100")
    assert mesh.page(openmetrics=openmetrics) == {
        series(f"{DURATION}_bucket", a="x", le=one): 2,
        series(f"{DURATION}_bucket", a="x", le=ten): 5,
        series(f"{DURATION}_bucket", a="x", le=hundred): 5,
        series(f"{DURATION}_bucket", a="x", le="+Inf"): 6,
        series(f"{DURATION}_sum", a="x"): 25.5,
        series(f"{DURATION}_count", a="x"): 6,
    }


async def test_a_histogram_may_have_no_bounds_and_a_series_no_labels() -> None:
    mesh = Mesh()
    await mesh.export(Point("h", {}, 3, buckets=(2,), bounds=()))
    for openmetrics in (False, True):
        assert mesh.page(openmetrics=openmetrics) == {
            series("h_bucket", le="+Inf"): 2,
            series("h_sum"): 3,
            series("h_count"): 2,
        }


async def test_the_text_is_as_envoy_writes_it() -> None:
    mesh = Mesh()
    bounds = (0.5, 1.0, 3600000.0)
    await mesh.export(Point("a_bytes", {"b": "", "a": None}, 1e15, buckets=(1, 0, 0, 0), bounds=bounds, unit="By"))
    assert mesh.text().startswith(
        b"# TYPE a_bytes histogram\n"
        b'a_bytes_bucket{a="",b="",le="0.5"} 1\na_bytes_bucket{a="",b="",le="1"} 1\n'
        b'a_bytes_bucket{a="",b="",le="3600000"} 1\na_bytes_bucket{a="",b="",le="+Inf"} 1\n'
        b'a_bytes_sum{a="",b=""} 1000000000000000\na_bytes_count{a="",b=""} 1\n'
    )


async def test_openmetrics_takes_total_off_the_family_and_names_a_unit_only_if_the_name_ends_in_it() -> None:
    mesh = Mesh()
    labels = {"a": "x"}
    await mesh.export(
        Point("istio_tcp_sent_bytes_total", labels, unit="By"),
        Point("istio_requests_total", labels),
        Point(DURATION, labels, buckets=(1, 0, 0, 0), unit="ms"),
        Point("odd", labels),
    )
    families = {family.name: family for family in parse_openmetrics(mesh.text(openmetrics=True).decode())}
    found = {name: (each.type, each.unit) for name, each in families.items() if not name.startswith("telemetry")}
    assert found == {
        "istio_tcp_sent_bytes": ("counter", "bytes"),
        "istio_requests": ("counter", ""),
        DURATION: ("histogram", "milliseconds"),
        "odd": ("unknown", ""),
    }


async def test_a_metric_fed_with_different_label_names_stands_together() -> None:
    mesh = Mesh()
    await mesh.export(Point("a_total", {"x": "1"}), Point("b_total", {"x": "1"}))
    await mesh.export(Point("a_total", {"x": "1", "y": "2"}), Point("b_total", {"x": "1", "y": "2"}))
    for openmetrics in (False, True):  # whose parser refuses a family that comes twice
        assert len(mesh.page(openmetrics=openmetrics)) == 4
    assert mesh.text().count(b"# TYPE a_total ") == 1


async def test_an_empty_label_is_the_same_as_none_because_prometheus_takes_it_so() -> None:
    mesh = Mesh()
    await mesh.export(Point("a_total", {"x": "1", "y": ""}))
    await mesh.export(Point("a_total", {"x": "1"}))
    await mesh.export(Point("a_total", {"z": None, "x": "1"}))
    assert list(mesh.page().values()) == [3]


async def test_the_order_of_labels_does_not_make_another_series() -> None:
    mesh = Mesh()
    await mesh.export(Point("a_total", {"x": "1", "y": "2"}))
    await mesh.export(Point("a_total", {"y": "2", "x": "1"}))
    assert list(mesh.page().values()) == [2]


async def test_series_numbers_of_another_process_end_in_the_same_series() -> None:
    mesh = Mesh()
    for number in (1, 2, 3):
        await mesh.export(Point("a_total", {"x": "1"}, series=number))
    assert list(mesh.page().values()) == [3]
    assert mesh.adapter.stats().label_sets == 1


async def test_endless_new_series_numbers_for_the_same_labels_take_no_endless_memory() -> None:
    mesh = Mesh()
    for number in range(500):
        await mesh.export(Point("a_total", {"x": "1"}, series=number))
    assert list(mesh.page().values()) == [500]
    assert len(mesh.adapter._families.labels._keys) < 50


async def test_other_bounds_of_the_same_histogram_join_the_earlier_ones() -> None:
    mesh = Mesh()
    await mesh.export(Point("h", {"a": "x"}, 5, buckets=(1, 1, 1), bounds=(1, 10)))
    await mesh.export(
        Point("h", {"a": "x"}, 5, buckets=(1, 1, 1), bounds=(5, 10)),
        Point("h", {"a": "y"}, 5, buckets=(1, 0), bounds=(1,)),
    )
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in mesh.page().items()
        if name == "h_bucket" and ("a", "x") in labels
    }
    assert buckets == {"1": 1, "5": 2, "10": 4, "+Inf": 6}


async def test_metrics_that_alternate_row_by_row_are_told_apart() -> None:
    mesh = Mesh()
    points = [Point(name, {"i": str(i % 7)}, 1) for i in range(200) for name in ("a_total", "b_total")]
    await mesh.export(*points, Point("h", {"i": "0"}, 9, buckets=(1, 0, 0, 0)))
    page = mesh.page()
    assert sum(value for (name, _), value in page.items() if name == "a_total") == 200
    assert page[series("b_total", i="0")] == 29
    assert page[series("h_sum", i="0")] == 9


async def test_an_exemplar_stands_at_the_bucket_into_which_it_falls() -> None:
    mesh = Mesh()
    await mesh.export(
        Point(DURATION, {"a": "x"}, 7, buckets=(0, 1, 0, 0), exemplar=EXEMPLAR),
        Point("n_total", {"a": "x"}, 1, exemplar={**EXEMPLAR, "span_id": None}),
        Point("g", {"a": "x"}, 1, kind="gauge", exemplar=EXEMPLAR),
    )
    families = parse_openmetrics(mesh.text(openmetrics=True).decode())
    samples = [sample for family in families for sample in family.samples if sample.exemplar]
    found = {(sample.name, sample.labels.get("le")): sample.exemplar for sample in samples}
    assert set(found) == {(f"{DURATION}_bucket", "10.0"), ("n_total", None)}
    exemplar = found[f"{DURATION}_bucket", "10.0"]
    assert exemplar.labels == {"trace_id": EXEMPLAR["trace_id"], "span_id": EXEMPLAR["span_id"]}
    assert exemplar.value == 7.0
    assert float(exemplar.timestamp) == START.timestamp()
    assert found["n_total", None].labels == {"trace_id": EXEMPLAR["trace_id"]}
    assert b"trace_id" not in mesh.text()


async def test_the_latest_exemplar_is_kept_for_a_second_at_least_and_a_point_without_one_leaves_it() -> None:
    mesh = Mesh()
    for trace_id in ("old", "too early", "new"):
        await mesh.export(Point("n_total", {"a": "x"}, exemplar={**EXEMPLAR, "trace_id": trace_id}))
        mesh.now_s += 0.75
    mesh.now_s += 1
    await mesh.export(Point("n_total", {"a": "x"}), Point("n_total", {"a": "y"}, exemplar=EXEMPLAR))
    await mesh.export(Point("n_total", {"a": "x"}, exemplar={**EXEMPLAR, "trace_id": "bad", "value": float("nan")}))
    line = next(line for line in mesh.text(openmetrics=True).splitlines() if b'a="x"' in line)
    assert b'trace_id="new"' in line


REFUSED = {
    "name": Point("no-name", {"a": "x"}),
    "empty": Point("", {"a": "x"}),
    "newline": Point("a_total\n", {"a": "x"}),
    "label": Point("bad", {"a-b": "x"}),
    "le": Point("bad", {"le": "1"}),
    "reserved": Point("bad", {"__name__": "x"}),
    "negative": Point("bad", {"a": "x"}, -1),
    "nan": Point("bad", {"a": "x"}, float("nan")),
    "null": Point("bad", {"a": "x"}, None, kind="gauge"),
    "descending": Point("bad", {"a": "x"}, buckets=(1, 1, 1), bounds=(10, 1)),
    "infinite": Point("bad", {"a": "x"}, buckets=(1, 1), bounds=(float("inf"),)),
    "too few buckets": Point("bad", {"a": "x"}, buckets=(1, 1)),
    "null bucket": Point("bad", {"a": "x"}, buckets=(1, None), bounds=(1,)),
    "no buckets": Point("bad", {"a": "x"}, kind="histogram"),
    "too many bounds": Point("bad", {"a": "x"}, buckets=[1] * 202, bounds=[float(i) for i in range(201)]),
    "own": Point("telemetry_prometheus_series", {"a": "x"}, kind="gauge"),
    "other kind": Point("good_total", {"a": "x"}, kind="gauge"),
    "same family in OpenMetrics": Point("good", {"a": "x"}, kind="gauge"),
    "a histogram's count": Point("h_count", {"a": "x"}, kind="gauge"),
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED.keys())
async def test_what_can_not_be_exposed_is_refused_by_name_and_nothing_of_its_batch_is_kept(bad: Point) -> None:
    mesh = Mesh()
    await mesh.export(Point("good_total", {"a": "x"}, 5), Point("h", {"a": "x"}, 1, buckets=(1, 0, 0, 0)))
    before = mesh.text()
    first = Point("good_total", dict.fromkeys(bad.labels, "y") if "a" not in bad.labels else {"a": "y"})
    refused = batch(first, Point("fresh_total", first.labels), bad)
    with pytest.raises(Rejected) as caught:
        await mesh.adapter.export(refused)
    assert repr(bad.metric) in str(caught.value) or "label names" in str(caught.value)
    assert mesh.text() == before


async def test_a_refused_metric_does_not_keep_its_name() -> None:
    mesh = Mesh()
    with pytest.raises(Rejected):
        await mesh.export(Point("a", {"x": "1"}, 1, kind="gauge"), Point("b", {"x": "1"}, -1))
    await mesh.export(Point("a", {"x": "1"}, 1, buckets=(1, 0, 0, 0)))
    assert mesh.page()[series("a_count", x="1")] == 1


async def test_an_empty_batch_changes_nothing() -> None:
    mesh = Mesh()
    full = batch(Point("a_total", {"x": "1"}))
    await mesh.adapter.export(type(full)(full.template, full.rows.clear(), "test", 0, 1))
    assert mesh.page() == {}


async def test_pieces_are_of_bounded_size_and_a_page_has_all_of_them() -> None:
    mesh = Mesh()
    long = "v" * 500
    await mesh.export(*(Point("h", {"a": f"{long}{i}"}, 1, buckets=(1, 0, 0, 0), bounds=BOUNDS) for i in range(2000)))
    pieces = list(mesh.adapter.exposition(openmetrics=False))
    assert len(pieces) > 10
    assert max(map(len, pieces)) < 400_000
    assert len(mesh.page()) == 2000 * 6


@pytest.mark.parametrize("settings", [{"max_series": 0}, {"expire_after": 0}, {"expire": 3}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Prometheus.Config(**settings)


def test_every_setting_says_what_it_is() -> None:
    properties = Prometheus.Config.model_json_schema()["properties"]
    assert all(text["description"] for text in properties.values())
