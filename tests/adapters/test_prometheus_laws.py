"""What holds whatever is exported, in whatever order, and while pages are rendered."""

import asyncio
import threading
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.pages import BOUNDS, Mesh, Point, read

# Everything that a Polars string can hold: any text but lone surrogates, hostile characters often.
VALUES = st.one_of(
    st.sampled_from(["", "a", "b", "\\", '"', "\n", '\\"', "\\n", "\r", "\x00", "} 1 # {", 'x",y="z', "\u2028"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
# Dyadic, so that sums are exact in every order.
NUMBERS = st.integers(0, 2**40).map(lambda n: n / 4)
BUCKETS = st.lists(st.integers(0, 2**30), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Point]]:
    def one_batch() -> list[Point]:
        names = draw(st.lists(st.sampled_from(["a", "b", "_c"]), unique=True, max_size=3))
        labels = st.fixed_dictionaries(dict.fromkeys(names, VALUES))
        counters = st.builds(Point, st.sampled_from(["x_total", "y_total"]), labels, NUMBERS)
        histograms = st.builds(Point, st.just("h"), labels, NUMBERS, BUCKETS)
        return draw(st.lists(st.one_of(counters, histograms), min_size=1, max_size=6))

    return [one_batch() for _ in range(draw(st.integers(1, 4)))]


def expected(sent: list[list[Point]], le: tuple[str, ...]) -> Counter:
    totals: Counter = Counter()
    for point in (point for points in sent for point in points):
        labels = frozenset((name, value) for name, value in point.labels.items() if value)
        if not point.buckets:
            totals[point.metric, labels] += point.value
            continue
        totals["h_sum", labels] += point.value
        totals["h_count", labels] += sum(point.buckets)
        for i, bound in enumerate(le):
            totals["h_bucket", labels | {("le", bound)}] += sum(point.buckets[: i + 1])
    return totals


@settings(max_examples=60, deadline=None)
@given(sent=batches(), openmetrics=st.booleans())
def test_parsed_totals_are_the_sums_of_what_was_exported_and_labels_come_back_exactly(
    sent: list[list[Point]], openmetrics: bool
) -> None:
    mesh = Mesh()
    for points in sent:
        asyncio.run(mesh.export(*points))
    page = {
        (name, frozenset(label for label in labels if label[1])): value
        for (name, labels), value in mesh.page(openmetrics=openmetrics).items()
    }
    assert page == expected(sent, ("1.0", "10.0", "100.0", "+Inf") if openmetrics else ("1", "10", "100", "+Inf"))


@settings(max_examples=40, deadline=None)
@given(sent=batches(), cap=st.integers(1, 5))
def test_totals_of_each_metric_are_exact_under_every_cap(sent: list[list[Point]], cap: int) -> None:
    mesh = Mesh(max_series=cap)
    for points in sent:
        asyncio.run(mesh.export(*points))
    shown: Counter = Counter()
    for (name, labels), value in mesh.page().items():
        shown[name, dict(labels).get("le")] += value
    wanted: Counter = Counter()
    for (name, labels), value in expected(sent, ("1", "10", "100", "+Inf")).items():
        wanted[name, dict(labels).get("le")] += value
    assert shown == wanted
    assert sum(mesh.adapter.stats().series.values()) <= cap


async def test_each_page_is_consistent_while_exports_go_on() -> None:
    mesh = Mesh(expire_after=1)
    faults: list[str] = []
    pages: list[int] = []
    done = threading.Event()

    def scrape(openmetrics: bool) -> None:
        while not done.is_set():
            page = read(mesh.text(openmetrics=openmetrics), openmetrics=openmetrics)
            counts = {labels: value for (name, labels), value in page.items() if name == "h_count"}
            last = {
                labels - {("le", "+Inf")}: value
                for (name, labels), value in page.items()
                if name == "h_bucket" and ("le", "+Inf") in labels
            }
            sums = {labels: value for (name, labels), value in page.items() if name == "h_sum"}
            if not counts == last == sums:
                faults.append("count, +Inf bucket and sum disagree")
            pages.append(len(page))

    threads = [threading.Thread(target=scrape, args=(openmetrics,)) for openmetrics in (False, True)]
    for thread in threads:
        thread.start()
    rounds = 0
    while len(pages) < 20 or rounds < 50:
        # New series come and old ones expire all the time; each observation adds 1 to sum, count and a bucket.
        rounds += 1
        mesh.now_s += 0.3
        await mesh.export(*(Point("h", {"i": str((rounds + i) % 300)}, 4, buckets=(1, 1, 1, 1)) for i in range(100)))
        await asyncio.sleep(0)
    done.set()
    for thread in threads:
        thread.join(timeout=30)
    assert not faults
