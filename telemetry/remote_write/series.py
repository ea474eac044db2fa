"""Running totals as Prometheus' time series: a sample or a native histogram each."""

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from telemetry.exposition import EXEMPLAR_CHARACTERS, bound_text
from telemetry.remote_write.histograms import STALE, NativeHistogram, custom_buckets, exponential_buckets
from telemetry.series.family import Family, Rows
from telemetry.series.native import NativeSeries

__all__ = ["Exemplar", "Labels", "Series", "SeriesOf"]

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name as both protocols demand, `__name__` among them, none empty."""

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REMEMBERED = 100_000
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One traced request."""

    labels: Labels
    value: float
    time_ms: int


@dataclass(frozen=True, slots=True)
class Series:
    """One time series with one value: `value`, or `histogram` where that is given. `start_ms`: since when it counts."""

    labels: Labels
    kind: str
    unit: str
    value: float
    start_ms: int
    exemplar: Exemplar | None = None
    histogram: NativeHistogram | None = None


class SeriesOf:
    """Makes series of totals. `external` labels are on all of them, and win over the series' own."""

    def __init__(self, external: dict[str, str], *, explicit_as_native: bool) -> None:
        self._external = external
        self._explicit_as_native = explicit_as_native
        self._known: dict[bytes, _Known] = {}

    def family(self, family: Family, rows: Rows, labels: Sequence[bytes], *, native: bool) -> Iterator[Series]:
        """Give the series of these rows; `native`: the back end may be sent histograms with bounds of their own."""
        if family.kind != "histogram":
            for row, text in zip(rows, labels, strict=True):
                start = _start(row) if family.kind == "counter" else 0
                labels_of = self._labels(family.name, text)
                yield Series(labels_of, family.kind, family.unit, float(row["value"]), start, _exemplar(row))
            return
        for row, text in zip(rows, labels, strict=True):
            if native and self._explicit_as_native:
                histogram = custom_buckets(family.bounds, row["buckets"], float(row["value"]))
                series = self._labels(family.name, text)
                yield Series(series, "histogram", family.unit, 0.0, _start(row), _exemplar(row), histogram)
            else:
                yield from self._classic(family, row, text)

    def native(self, one: NativeSeries) -> Series:
        """Give the series of an exponential histogram."""
        exemplar = _exemplar_of(**_ids(one.exemplar)) if one.exemplar else None
        labels = self._labels(one.metric, one.labels)
        return Series(labels, "histogram", one.unit, 0.0, one.birth // _MS, exemplar, exponential_buckets(one))

    def stale(self, metric: str, kind: str, bounds: Sequence[float], text: bytes, *, native: bool) -> Iterator[Series]:
        """Give markers that end the series: https://prometheus.io/docs/specs/remote_write_spec/#stale-markers."""
        if kind != "histogram":
            yield Series(self._labels(metric, text), kind, "", STALE, 0)
        elif native:
            histogram = custom_buckets(np.empty(0), np.zeros(1, np.int64), STALE)
            yield Series(self._labels(metric, text), kind, "", 0.0, 0, None, histogram)
        else:
            for le in (*map(_le, bounds), "+Inf"):
                yield Series(self._labels(f"{metric}_bucket", text, le), kind, "", STALE, 0)
            for suffix in ("sum", "count"):
                yield Series(self._labels(f"{metric}_{suffix}", text), kind, "", STALE, 0)

    def _classic(self, family: Family, row: np.void, text: bytes) -> Iterator[Series]:
        counts = np.cumsum(row["buckets"]).tolist()
        exemplar, name = _exemplar(row), f"{family.name}_bucket"
        at = int(np.searchsorted(family.bounds, exemplar.value)) if exemplar else -1
        bounds = (*map(_le, family.bounds.tolist()), "+Inf")
        kind, unit, start = family.kind, family.unit, _start(row)
        for index, (le, count) in enumerate(zip(bounds, counts, strict=True)):
            traced = exemplar if index == at else None
            yield Series(self._labels(name, text, le), kind, unit, float(count), start, traced)
        for suffix, value in (("sum", float(row["value"])), ("count", float(counts[-1]))):
            yield Series(self._labels(f"{family.name}_{suffix}", text), kind, unit, value, start)

    def _labels(self, name: str, text: bytes, le: str = "") -> Labels:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[text] = _Known.of(_read(text) | self._external)
        named = (*known.before_name, ("__name__", name), *known.before_le)
        return (*named, ("le", le), *known.rest) if le else (*named, *known.rest)


@dataclass(frozen=True, slots=True)
class _Known:
    """A label set, parted where the metric's name and a bucket's bound go in: `__name__` is before `le`."""

    before_name: Labels
    before_le: Labels
    rest: Labels

    @classmethod
    def of(cls, labels: dict[str, str]) -> "_Known":
        pairs = tuple(sorted(labels.items()))
        names = [name for name, _ in pairs]
        at, then = bisect(names, "__name__"), bisect(names, "le")
        return cls(pairs[:at], pairs[at:then], pairs[then:])


def _read(text: bytes) -> dict[str, str]:
    """Read labels as the exposition formats write them; an empty value is no label."""
    found = _LABEL.findall(text.decode())
    return {name: _ESCAPED.sub(_unescaped, value) for name, value in found if value}


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _le(bound: float) -> str:
    return bound_text(bound, openmetrics=False)


def _start(row: np.void) -> int:
    return int(row["birth"]) // _MS


def _exemplar(row: np.void) -> Exemplar | None:
    if not row["trace_id"]:
        return None
    return _exemplar_of(row["trace_id"], row["span_id"], float(row["exemplar_value"]), int(row["exemplar_ns"]) // _MS)


def _ids(exemplar: Mapping[str, Any]) -> dict[str, Any]:
    """Take METRIC's exemplar apart."""
    time = exemplar["time"]
    return {
        "trace_id": exemplar["trace_id"] or "",
        "span_id": exemplar["span_id"] or "",
        "value": exemplar["value"] or 0.0,
        "time_ms": int(time.timestamp() * 1000) if time else 0,
    }


def _exemplar_of(trace_id: str, span_id: str, value: float, time_ms: int) -> Exemplar | None:
    labels = tuple((name, text) for name, text in (("span_id", span_id), ("trace_id", trace_id)) if text)
    if not labels or sum(len(name) + len(text) for name, text in labels) > EXEMPLAR_CHARACTERS:
        return None
    return Exemplar(labels, value, time_ms)
