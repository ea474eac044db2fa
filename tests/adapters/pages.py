"""A batch of metrics in a line, a clock that stands still, and a page read back by prometheus-client's parsers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from telemetry.adapters.prometheus import Prometheus
from telemetry.batch import SCHEMAS, Batch, Template, fault_of

BOUNDS = (1.0, 10.0, 100.0)
START = datetime.fromisoformat("2026-01-01T00:00:00Z")


@dataclass(frozen=True)
class Point:
    """One row to be; a histogram when it has buckets."""

    metric: str
    labels: Mapping[str, str | None]
    value: float = 1.0
    buckets: Sequence[int] = ()
    kind: str = ""
    bounds: Sequence[float] = BOUNDS
    unit: str = "1"
    exemplar: Mapping[str, Any] | None = None
    series: int | None = None

    def row(self) -> dict[str, Any]:
        histogram = bool(self.buckets)
        hashed = hash(tuple(sorted(self.labels.items()))) & (2**64 - 1)
        return {
            "metric": self.metric,
            "unit": self.unit,
            "labels": dict(self.labels),
            "value": self.value,
            "kind": self.kind or ("histogram" if histogram else "counter"),
            "series": hashed if self.series is None else self.series,
            "count": sum(filter(None, self.buckets)) if histogram else None,
            "bounds": list(self.bounds) if histogram else None,
            "buckets": list(self.buckets) if histogram else None,
            "exemplar": self.exemplar,
            "start": START,
            "time": START,
        }


def batch(*points: Point) -> Batch:
    """Make a batch of points that have the same label names."""
    schema = dict(SCHEMAS[Template.METRIC])
    schema["labels"] = pl.Struct(dict.fromkeys(points[0].labels, pl.String))
    made = Batch(Template.METRIC, pl.DataFrame([point.row() for point in points], schema=schema), "test", 0, 0)
    assert fault_of(made) is None
    return made


Series = tuple[str, frozenset[tuple[str, str]]]


def read(text: bytes, *, openmetrics: bool) -> dict[Series, float]:
    """Parse a whole page; samples by name and labels, none of them twice."""
    parse = parse_openmetrics if openmetrics else parse_text
    samples: dict[Series, float] = {}
    for family in parse(text.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"{key} comes twice"
            samples[key] = sample.value
    return samples


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


class Mesh:
    """An adapter, with its settings, and with a clock that stands still until it is told."""

    def __init__(self, **settings: Any) -> None:
        self.now_s = 1000.0
        self.adapter = Prometheus(Prometheus.Config(**settings), clock=lambda: int(self.now_s * 1e9))

    async def export(self, *points: Point) -> None:
        await self.adapter.export(batch(*points))

    def text(self, *, openmetrics: bool = False) -> bytes:
        return b"".join(self.adapter.exposition(openmetrics=openmetrics)) + (b"# EOF\n" if openmetrics else b"")

    def page(self, *, openmetrics: bool = False) -> dict[Series, float]:
        """Scrape; without the adapter's own metrics."""
        samples = read(self.text(openmetrics=openmetrics), openmetrics=openmetrics)
        return {key: value for key, value in samples.items() if not key[0].startswith("telemetry_")}
