"""How many series a configuration makes of requests that were, as the journal remembers them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.catalog import Catalog
from telemetry.config import Settings
from telemetry.explain import course_of

__all__ = ["Count", "SeriesOf", "same_series", "total"]

_SUM_AND_COUNT = 2
_MADE_OF = ("metrics", "standard_metrics", "probes", "redaction", "operations", "rules")
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Count:
    """Of one metric: distinct `label_sets`, and the `series` that Prometheus makes of them.

    A histogram has one for each bound, +Inf, sum and count; one with exponential buckets only is one series.
    """

    label_sets: int = 0
    series: int = 0


def same_series(one: Settings, other: Settings) -> bool:
    """Whether two configurations make the same series of the same requests."""
    accept, others = ({name: each.accepts for name, each in both.handlers.items()} for both in (one, other))
    return accept == others and all(getattr(one, name) == getattr(other, name) for name in _MADE_OF)


class SeriesOf:
    """Counts the series that `settings` would make, for any of its handlers, of LOGENTRY rows kept under `kept_by`.

    What that one redacted, or didn't have Envoys log, is gone and can't be seen. Raises ConfigError for the catalog.
    """

    def __init__(self, settings: Settings, kept_by: Settings) -> None:
        self._course = course_of(settings, Catalog(settings.mesh.catalog))
        takers = [name for name, accepts in self._course.accepts.items() if Template.METRIC in accepts]
        # The same choice stands for all handlers that get the same.
        self._chosen_by = {self._course.rules.select_for(name, self._course.accepts[name]) for name in takers}
        self._redacts_anew = settings.redaction != kept_by.redaction
        self._names_anew = settings.operations != kept_by.operations
        self._seen: dict[tuple[str, tuple[str, ...]], Hashes] = {}
        self._width: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Take the requests of a LOGENTRY batch: what they count into, as far as some handler gets it."""
        rows = self._course.redacted(batch.rows) if self._redacts_anew else batch.rows
        rows = self._course.named(rows) if self._names_anew else rows
        for points in self._course.metrics_of(rows):
            for choose in self._chosen_by:
                self._add_points(choose(points).batch.rows)

    def counts(self) -> Mapping[str, Count]:
        """Give what was found so far, by metric in the order of names."""
        found: dict[str, int] = {}
        for (metric, _), hashes in self._seen.items():
            found[metric] = found.get(metric, 0) + len(hashes)
        return {metric: Count(found[metric], found[metric] * self._width[metric]) for metric in sorted(found)}

    def _add_points(self, rows: pl.DataFrame) -> None:
        labels = tuple(field.name for field in rows.schema["labels"].fields)  # type: ignore[attr-defined]
        facts = rows.group_by("metric").agg(pl.col("series").unique(), pl.col("bounds").drop_nulls().first())
        for metric, series, bounds in facts.iter_rows():
            known = self._seen.get((metric, labels), np.empty(0, np.uint64))
            self._seen[metric, labels] = np.union1d(known, np.asarray(series, np.uint64))
            self._width[metric] = 1 if bounds is None else len(bounds) + 1 + _SUM_AND_COUNT


def total(counts: Mapping[str, Count]) -> Count:
    """Add up all metrics."""
    both: Iterable[Count] = counts.values()
    return Count(sum(one.label_sets for one in both), sum(one.series for one in both))
