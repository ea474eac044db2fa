"""The cap on series, and expiry."""

import pytest

from tests.adapters.pages import Mesh, Point, read, series

MINUTE = 60.0


def total(page: dict, name: str) -> float:
    return sum(value for (sample, _), value in page.items() if sample == name)


async def test_beyond_the_cap_points_are_folded_and_totals_stay_exact() -> None:
    mesh = Mesh(max_series=10)
    for _ in range(3):
        await mesh.export(*(Point("a_total", {"i": str(i)}, i) for i in range(50)))
    page = mesh.page()
    assert total(page, "a_total") == 3 * sum(range(50))
    assert len(page) == 11
    assert page[series("a_total", otel_metric_overflow="true")] > 0
    assert mesh.adapter.stats().overflow_points == {"a_total": 3 * 40}
    own = read(mesh.text(), openmetrics=False)
    assert own[series("telemetry_prometheus_overflow_points_total", metric="a_total")] == 120
    assert own[series("telemetry_prometheus_series", metric="a_total")] == 10


async def test_each_metric_has_an_overflow_series_of_its_own_and_histograms_add_up_in_theirs() -> None:
    mesh = Mesh(max_series=4)
    for i in range(10):
        await mesh.export(Point("h", {"i": str(i)}, 5, buckets=(0, 1, 0, 0)), Point("a_total", {"i": str(i)}, 1))
    for openmetrics in (False, True):
        page = mesh.page(openmetrics=openmetrics)
        assert (total(page, "h_count"), total(page, "h_sum"), total(page, "a_total")) == (10, 50, 10)
    assert page[series("h_count", otel_metric_overflow="true")] == 8
    assert page[series("a_total", otel_metric_overflow="true")] == 8
    assert mesh.adapter.stats().label_sets == 2


async def test_a_label_set_with_an_enormous_text_is_folded() -> None:
    mesh = Mesh()
    await mesh.export(Point("a_total", {"i": "v" * 100_000}, 3), Point("a_total", {"i": "v"}, 4))
    assert mesh.page() == {series("a_total", i="v"): 4, series("a_total", otel_metric_overflow="true"): 3}


async def test_a_flood_of_label_values_takes_no_more_memory_than_the_cap() -> None:
    mesh = Mesh(max_series=100)
    for start in range(0, 5000, 500):
        await mesh.export(*(Point("a_total", {"i": str(i)}) for i in range(start, start + 500)))
    labels = mesh.adapter._families.labels
    assert len(labels) == 100
    assert len(labels._keys) == 100
    assert len(labels._texts) == 102
    assert total(mesh.page(), "a_total") == 5000


async def test_an_idle_series_goes_after_its_time_once_a_scrape_has_shown_it() -> None:
    mesh = Mesh(expire_after=900)
    await mesh.export(Point("a_total", {"i": "idle"}), Point("a_total", {"i": "busy"}))
    mesh.now_s += MINUTE
    assert len(mesh.page()) == 2
    mesh.now_s += 800
    await mesh.export(Point("a_total", {"i": "busy"}))
    assert len(mesh.page()) == 2
    mesh.now_s += 40
    assert mesh.page() == {series("a_total", i="busy"): 2}
    assert mesh.adapter.stats().expired_series == 1


async def test_a_change_that_no_scrape_has_shown_keeps_the_series() -> None:
    mesh = Mesh(expire_after=900)
    await mesh.export(Point("a_total", {"i": "x"}))
    mesh.now_s += 1
    mesh.page()
    mesh.now_s += 1
    await mesh.export(Point("a_total", {"i": "x"}))
    mesh.now_s += 1000
    assert mesh.page() == {series("a_total", i="x"): 2}
    mesh.now_s += 1
    assert mesh.page() == {}


async def test_a_scrape_that_was_broken_off_has_shown_nothing() -> None:
    mesh = Mesh(expire_after=900)
    await mesh.export(Point("a_total", {"i": "x"}))
    mesh.now_s += 1000
    broken = mesh.adapter.exposition(openmetrics=False)
    next(broken)
    broken.close()
    mesh.now_s += 1
    assert len(mesh.page()) == 1
    mesh.now_s += 1
    assert mesh.page() == {}


async def test_a_change_during_a_scrape_counts_as_not_shown_by_it() -> None:
    mesh = Mesh(expire_after=900)
    await mesh.export(Point("a_total", {"i": "x"}))
    mesh.now_s += 1
    scrape = mesh.adapter.exposition(openmetrics=False)
    next(scrape)
    await mesh.export(Point("a_total", {"i": "x"}))
    list(scrape)
    mesh.now_s += 1000
    assert mesh.page() == {series("a_total", i="x"): 2}


@pytest.mark.parametrize(("minutes", "left"), [(59, 1), (61, 0)])
async def test_where_nobody_scrapes_series_go_after_four_times_their_time(minutes: int, left: int) -> None:
    mesh = Mesh(expire_after=15 * 60)
    await mesh.export(Point("a_total", {"i": "x"}))
    mesh.now_s += minutes * MINUTE
    await mesh.export(Point("b_total", {"i": "y"}))
    assert mesh.adapter.stats().series.get("a_total", 0) == left


async def test_the_rows_and_texts_of_expired_series_are_used_again() -> None:
    mesh = Mesh(expire_after=60)
    for generation in range(20):
        await mesh.export(
            *(Point("h", {"i": f"{generation}-{i}"}, 1, buckets=(1, 0, 0, 0)) for i in range(50)),
            Point("keep_total", {"i": "keep"}),
        )
        assert len(mesh.page()) == 50 * 6 + 1
        mesh.now_s += 1
        mesh.page()
        mesh.now_s += 60
    families = mesh.adapter._families
    assert families.all()[0].end <= 101
    assert len(families.labels._texts) <= 103
    assert len(families.labels._keys) <= 101


async def test_a_series_that_comes_back_starts_at_its_first_new_delta() -> None:
    mesh = Mesh(expire_after=60)
    await mesh.export(Point("h", {"i": "x"}, 9, buckets=(1, 1, 1, 1)))
    mesh.now_s += 1
    mesh.page()
    mesh.now_s += 60
    assert mesh.page() == {}
    await mesh.export(Point("h", {"i": "x"}, 2, buckets=(0, 1, 0, 0)))
    assert mesh.page()[series("h_sum", i="x")] == 2
    assert mesh.page()[series("h_bucket", i="x", le="1")] == 0


async def test_room_that_expiry_made_is_given_to_label_sets_that_were_folded_before() -> None:
    mesh = Mesh(max_series=1, expire_after=60)
    await mesh.export(Point("a_total", {"i": "old"}))
    await mesh.export(Point("a_total", {"i": "new"}))
    mesh.now_s += 1
    mesh.page()
    mesh.now_s += 60
    await mesh.export(Point("a_total", {"i": "new"}))
    assert mesh.page() == {series("a_total", i="new"): 1}


async def test_a_metric_whose_series_have_all_gone_leaves_its_name_free() -> None:
    mesh = Mesh(expire_after=60)
    await mesh.export(Point("a", {"i": "x"}, 1, kind="gauge"))
    mesh.now_s += 1
    mesh.page()
    mesh.now_s += 60
    await mesh.export(Point("a", {"i": "x"}, 1, buckets=(1, 0, 0, 0)))
    assert mesh.page()[series("a_count", i="x")] == 1
