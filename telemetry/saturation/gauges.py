"""Saturation as metrics: gauges per service and edge, made of each interval's edges."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

import polars as pl

from telemetry.batch import METRIC_KIND, NUMBERS_LACK, SCHEMAS, Batch, Template
from telemetry.catalog import Capacity
from telemetry.saturation.headroom import Headroom, Pressure
from telemetry.saturation.ratio import Capacities, Load, saturation_ratio

__all__ = ["METRICS", "SaturationGauges"]

METRICS = {
    "telemetry_service_saturation_ratio": "Share in use of what a service can bear; 1 is full.",
    "telemetry_service_concurrency": "Requests at the same time, by Little's law.",
    "telemetry_edge_saturation_ratio": "Share of what a service can bear that one caller takes.",
}
_SERVICE = {"service": "destination.service.name", "service_namespace": "destination.service.namespace"}
_EDGE = {
    "source_workload": "source.workload.name",
    "source_workload_namespace": "source.workload.namespace",
    "destination_service": "destination.service.name",
    "destination_service_namespace": "destination.service.namespace",
}
_ORDER = list(SCHEMAS[Template.METRIC])


class SaturationGauges:
    """Adds METRIC batches to the EDGE batches that pass: METRICS, for services whose bounds somebody knows.

    Stands behind Edges. `seed`: hashes series. A service without traffic in an interval has no points in it.
    """

    reads: Collection[str] = frozenset()

    def __init__(self, capacities: Capacities, *, seed: int, headroom: Headroom | None = None) -> None:
        self._capacities = capacities
        self._headroom = headroom
        self._seed = seed

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch, and the gauges of its services."""
        yield batch
        if batch.template is Template.EDGE and len(batch.rows):
            for frame in self._frames(batch.rows):
                yield replace(batch, template=Template.METRIC, rows=frame, kept=None)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()

    def _frames(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        asked = rows.filter(pl.col("destination.service.name").is_not_null())
        services = _loads(asked, _SERVICE)
        bounds = {(one["service_namespace"], one["service"]): self._bounds(one) for one in services.to_dicts()}
        of_services = self._ratios(services, lambda one: bounds[one["service_namespace"], one["service"]])
        if len(of_services):
            names = list(_SERVICE)
            yield self._gauges("telemetry_service_saturation_ratio", of_services, names, "ratio")
            yield self._gauges("telemetry_service_concurrency", of_services, names, "concurrency")
        edges = _loads(asked, _EDGE)
        # A breaker's state is nobody's share.
        of_edges = self._ratios(
            edges, lambda one: (bounds[one["destination_service_namespace"], one["destination_service"]][0], None)
        )
        if len(of_edges):
            yield self._gauges("telemetry_edge_saturation_ratio", of_edges, list(_EDGE), "ratio")

    def _bounds(self, service: dict[str, str]) -> "_Bounds":
        who = service["service_namespace"], service["service"]
        return self._capacities(*who), self._headroom.pressure(*who) if self._headroom else None

    def _ratios(self, loads: pl.DataFrame, bounds: Callable[[dict[str, str]], "_Bounds"]) -> pl.DataFrame:
        ratios = [
            saturation_ratio(Load(one["requests_per_s"], one["concurrency"]), *bounds(one)) for one in loads.to_dicts()
        ]
        return loads.with_columns(pl.Series("ratio", ratios, dtype=pl.Float64)).filter(pl.col("ratio").is_not_null())

    def _gauges(self, metric: str, loads: pl.DataFrame, labels: list[str], value: str) -> pl.DataFrame:
        named = loads.with_columns(pl.col(labels).fill_null("unknown"))
        return named.select(
            *(pl.lit(None, dtype).alias(name) for name, dtype in NUMBERS_LACK.items()),
            metric=pl.lit(metric),
            kind=pl.lit("gauge", METRIC_KIND),
            unit=pl.lit("1"),
            labels=pl.struct(labels),
            series=pl.struct(labels).hash(self._seed),
            value=pl.col(value),
            start=pl.col("start"),
            time=pl.col("time"),
        ).select(_ORDER)


_Bounds = tuple[Capacity | None, Pressure | None]


def _loads(rows: pl.DataFrame, keys: dict[str, str]) -> pl.DataFrame:
    """Columns: the keys, requests_per_s, concurrency, start, time."""
    lasted = (pl.col("time").max() - pl.col("start").min()).dt.total_nanoseconds() / 1e9
    shown = rows.select("requests", "busy_s", "start", "time", **keys)
    sums = shown.group_by(list(keys), maintain_order=True).agg(
        pl.col("requests", "busy_s").sum(),
        pl.col("start").min(),
        pl.col("time").max(),
        lasted.clip(lower_bound=1e-3).alias("lasted_s"),
    )
    return sums.with_columns(
        requests_per_s=pl.col("requests") / pl.col("lasted_s"), concurrency=pl.col("busy_s") / pl.col("lasted_s")
    )
