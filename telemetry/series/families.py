"""All metrics together: names that don't clash, one cap on series, one expiry."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.errors import Rejected
from telemetry.series.family import Expiry, Family
from telemetry.series.labels import NONE, OVERFLOW, LabelSets, label_fault
from telemetry.series.points import MAX_BOUNDS, Points, points_of, refusal

__all__ = ["MAX_METRICS", "Families", "Stats", "occupied_names"]

MAX_METRICS = 10_000

_SUFFIXES = {
    "counter": (),
    "gauge": (),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
}


def occupied_names(metric: str, kind: str) -> set[str]:
    """Give all names that the metric occupies on a page of either format.

    `x in OpenMetrics` is the name of the family x there, which a counter x_total bears too. Counters x and x_total may
    be side by side, as Envoy's are (upstream_rq with its response codes, upstream_rq_total): x is no counter there.
    """
    names = {metric, *(metric + suffix for suffix in _SUFFIXES[kind])}
    if kind != "counter":
        return names | {f"{metric} in OpenMetrics"}
    stem = metric.removesuffix("_total")
    return names | {stem + "_created", f"{stem} in OpenMetrics"} if stem != metric else names


@dataclass(frozen=True, slots=True)
class Stats:
    """What is held. Overflow series are not among the series."""

    series: dict[str, int]
    """By metric."""
    overflow_points: dict[str, int]
    """Points folded, by metric, for those metrics that have an overflow series."""
    label_sets: int
    expired_series: int
    """All those that went since the start."""


class Families:
    """The state of a page. No locks: whoever shares it between threads brings one.

    `reserved` are names that no metric may occupy.
    """

    def __init__(self, max_series: int, reserved: frozenset[str]) -> None:
        self.labels = LabelSets()
        self._max_series = max_series
        self._families: dict[str, Family] = {}
        self._occupied = dict.fromkeys(reserved, "the adapter's own metrics")
        self._size = 0
        self._expired = 0

    def all(self) -> tuple[Family, ...]:
        """Give the families in the order of their first points."""
        return tuple(self._families.values())

    def stats(self) -> Stats:
        """Count what is held."""
        return Stats(
            series={each.name: len(each) - each.overflowing for each in self.all()},
            overflow_points={each.name: each.overflow_points for each in self.all() if each.overflow_points},
            label_sets=len(self.labels),
            expired_series=self._expired,
        )

    def add(self, rows: pl.DataFrame, *, now_ns: int, birth: int) -> None:
        """Add a METRIC batch's rows: all, or none when it raises Rejected. `birth` marks new series."""
        planned = self._plan(rows)
        sets, created = self._label_sets(rows)
        for family, points in planned:
            room = self._max_series - self._size
            fresh = family.add(points, sets[points.rows], room=room, now_ns=now_ns, birth=birth)
            self.labels.use(fresh)
            self._size += len(fresh)
        self.labels.forget_unused(created)

    def _plan(self, rows: pl.DataFrame) -> list[tuple[Family, Points]]:
        """Find each metric's family, or open it. Raises Rejected, and leaves nothing behind."""
        _check_labels(rows)
        try:
            return [(self._family(points), points) for points in points_of(rows)]
        except Rejected:
            self._drop_empty_families()
            raise

    def _family(self, points: Points) -> Family:
        family = self._families.get(points.metric)
        if family is None:
            family = self._open(points)
        if family.kind != points.kind:
            raise refusal(points.metric, f"it is a {family.kind}, not a {points.kind}; rename one of the two")
        if not family.expects(points.bounds, MAX_BOUNDS):
            raise refusal(points.metric, f"more than {MAX_BOUNDS} different bounds; use the same everywhere")
        return family

    def _open(self, points: Points) -> Family:
        names = occupied_names(points.metric, points.kind)
        if clashes := sorted({self._occupied[name] for name in names & self._occupied.keys()}):
            raise refusal(points.metric, f"the name is taken by {clashes[0]!r}; rename one of the two")
        if len(self._families) >= MAX_METRICS:
            raise refusal(points.metric, f"{MAX_METRICS} metrics are enough; put what varies into labels")
        self._occupied.update(dict.fromkeys(names, points.metric))
        family = self._families[points.metric] = Family(points.metric, points.kind, points.unit)
        return family

    def _label_sets(self, rows: pl.DataFrame) -> tuple[NDArray[np.int32], list[int]]:
        """Give each row's label set, and those that are new. Labels are read for unseen series only."""
        sets = self.labels.numbers(rows["series"])
        unseen = pl.Series(sets == NONE)
        if not unseen.any():
            return sets, []
        series = rows["series"].filter(unseen)
        at = pl.Series(np.flatnonzero(unseen)).filter(series.is_first_distinct())
        room = self._max_series - self._size
        created = self.labels.learn(rows["series"].gather(at), rows["labels"].gather(at), room)
        sets[unseen.to_numpy()] = self.labels.numbers(series)
        sets[sets == NONE] = OVERFLOW
        return sets, created

    def expire(self, expiry: Expiry) -> list[tuple[Family, list[bytes]]]:
        """Drop the series that are due, label sets that no metric has any more, and metrics without series.

        Gives what is gone: of each metric the labels, overflow series included.
        """
        expired = [(family, family.expire(expiry)) for family in self.all()]
        texts = [(family, self.labels.texts(sets)) for family, sets in expired if len(sets)]
        gone = [sets[sets != OVERFLOW] for _, sets in expired]
        self.labels.release(gone)
        count = sum(map(len, gone))
        self._size -= count
        self._expired += count
        self._drop_empty_families()
        return texts

    def series_of(self, rows: pl.DataFrame) -> NDArray[np.int32]:
        """Give the label set of each row that `add` has taken."""
        sets = self.labels.numbers(rows["series"])
        sets[sets == NONE] = OVERFLOW
        return sets

    def family(self, metric: str) -> Family:
        """Give a metric's series. Raises KeyError when there are none."""
        return self._families[metric]

    def _drop_empty_families(self) -> None:
        empty = {name for name, family in self._families.items() if not len(family)}
        if empty:
            self._families = {name: each for name, each in self._families.items() if name not in empty}
            self._occupied = {name: metric for name, metric in self._occupied.items() if metric not in empty}


def _check_labels(rows: pl.DataFrame) -> None:
    """Raise Rejected when the labels are not a struct of Strings with names that Prometheus takes."""
    dtype = rows.schema["labels"]
    fields = dtype.fields if isinstance(dtype, pl.Struct) else []
    fault = label_fault(tuple(field.name for field in fields))
    if not isinstance(dtype, pl.Struct) or any(field.dtype != pl.String for field in fields):
        fault = f"labels are {dtype}, not a struct of Strings"
    if fault:
        raise refusal(rows["metric"][0], fault)
