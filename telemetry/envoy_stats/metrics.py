"""The metrics that stats become: names that don't clash, one kind each, units."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.batch import METRIC_KIND
from telemetry.envoy_stats.rules import ISTIO_STANDARD
from telemetry.series.families import occupied_names

__all__ = ["MAX_BOUNDS", "MAX_METRICS", "Conflict", "Metrics", "TooMany"]

# Sinks refuse more than 10,000 names or 200 bounds, and with them whole batches. An Envoy of 1.40 has some 1,500 names
# and 19 bounds.
MAX_METRICS = 5000
MAX_BOUNDS = 100

_UNITS = {"_ms": "ms", "_time": "ms", "_milliseconds": "ms", "_us": "us", "_bytes": "By", "_seconds": "s"}


class Conflict(Exception):  # noqa: N818 - an answer, not a mistake
    """The name, or one of its samples', is another metric's, or has another kind."""


class TooMany(Exception):  # noqa: N818 - likewise
    """There are MAX_METRICS already."""


class Metrics:
    """Numbers metrics; what came first keeps its name."""

    def __init__(self) -> None:
        self._kinds: list[tuple[str, str]] = []
        self._number_of: dict[str, int] = {}
        self._occupied: set[str] = set()
        self._bounds: dict[int, set[float]] = {}
        self._columns: tuple[pl.Series, pl.Series, pl.Series] | None = None
        for name, kind in ISTIO_STANDARD.items():
            self.number(name, kind)

    def number(self, name: str, kind: str) -> int:
        """Give the metric's number. Raises Conflict or TooMany."""
        known = self._number_of.get(name)
        if known is not None:
            if self._kinds[known][1] != kind:
                raise Conflict
            return known
        occupied = occupied_names(name, kind)
        if occupied & self._occupied:
            raise Conflict
        if len(self._kinds) >= MAX_METRICS:
            raise TooMany
        self._occupied |= occupied
        self._columns = None
        number = self._number_of[name] = len(self._kinds)
        self._kinds.append((name, kind))
        return number

    def admits(self, number: int, bounds: tuple[float, ...]) -> bool:
        """Say whether a histogram may have these bounds beside those that it has had."""
        known = self._bounds.setdefault(number, set())
        if not known.issuperset(bounds):
            if len(known.union(bounds)) > MAX_BOUNDS:
                return False
            known.update(bounds)
        return True

    def columns(self, numbers: NDArray[np.int32]) -> list[pl.Series]:
        """Give metric, kind and unit of each of these."""
        if self._columns is None:
            names = [name for name, _ in self._kinds]
            self._columns = (
                pl.Series("metric", names, dtype=pl.String),
                pl.Series("kind", [kind for _, kind in self._kinds], dtype=METRIC_KIND),
                pl.Series("unit", list(map(_unit, names)), dtype=pl.String),
            )
        at = pl.Series(numbers)
        return [column.gather(at) for column in self._columns]


def _unit(name: str) -> str:
    stem = name.removesuffix("_total")
    return next((unit for suffix, unit in _UNITS.items() if stem.endswith(suffix)), "1")
