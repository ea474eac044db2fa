"""How often each end reported each code: Istio's request counter, by edge, as Kiali's health reads it."""

import numpy as np
import polars as pl

from telemetry.processors.edge_slots import EDGE_IDENTITY, EdgeSlots

__all__ = ["EdgeReports"]

_METRIC = "istio_requests_total"
_LABELS = {
    "context.protocol": "request_protocol",
    **{
        f"{side}.{attribute}": f"{side}_{label}"
        for side in ("source", "destination")
        for attribute, label in {
            "workload.name": "workload",
            "workload.namespace": "workload_namespace",
            "app": "app",
            "version": "version",
            "canonical.service": "canonical_service",
            "canonical.revision": "canonical_revision",
            "cluster.id": "cluster",
        }.items()
    },
    "destination.service.host": "destination_service",
    "destination.service.name": "destination_service_name",
    "destination.service.namespace": "destination_service_namespace",
}
_NEEDED = frozenset(
    {"reporter", "response_code", "request_protocol"}
    | {f"{side}_{name}" for side in ("source", "destination") for name in ("workload", "workload_namespace")}
)
_SHOWN = [*_LABELS.values(), "reporter", "response_code", "grpc_response_status"]
_ABSENT = {name: "" if name == "grpc_response_status" else "unknown" for name in _SHOWN}


def _labels(points: pl.DataFrame) -> list[pl.Expr]:
    """Give the labels that are looked at; one that the operator has removed is as if nobody knew."""
    there = {field.name for field in points.schema["labels"].fields}  # type: ignore[attr-defined]
    labels = pl.col("labels").struct
    return [labels.field(name) if name in there else pl.lit(absent).alias(name) for name, absent in _ABSENT.items()]


def _tells(points: pl.DataFrame) -> bool:
    """Whether the labels still tell who reported which code of whom."""
    return {field.name for field in points.schema["labels"].fields} >= _NEEDED  # type: ignore[attr-defined]


def _code() -> pl.Expr:
    """Read the code as Kiali does (models/health.go, aggregate): `-` without response; for gRPC its status, if any."""
    code, status = pl.col("response_code"), pl.col("grpc_response_status")
    of_grpc = (pl.col("request_protocol") == "grpc") & (status != "")
    return pl.when(code == "0").then(pl.lit("-")).when(of_grpc).then(status).otherwise(code)


class EdgeReports:
    """Adds up METRIC rows of istio_requests_total by series; of more than `limit` series only the totals are kept."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._numbers: dict[int, int] = {}
        self._labels: list[pl.DataFrame] = []
        self._sums = np.zeros(0)
        self._beyond: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Add what a METRIC batch says; nothing where the operator's metric no longer tells reporter and code."""
        points = rows.filter(pl.col("metric") == _METRIC)
        if points.is_empty() or not _tells(points):
            return
        series = points["series"].to_list()
        if new := self._learned(series):
            self._labels.append(points[new].select(_labels(points)))
            self._sums = np.pad(self._sums, (0, len(new)))
        known = np.array([self._numbers.get(one, -1) for one in series], dtype=np.int64)
        values = points["value"].to_numpy()
        np.add.at(self._sums, known[known >= 0], values[known >= 0])
        if (known < 0).any():
            self._add_beyond(points.filter(pl.Series(known < 0)))

    def _learned(self, series: list[int]) -> list[int]:
        """Give numbers to new series, as far as there is room; gives the positions of those numbered."""
        numbers = self._numbers
        new: list[int] = []
        for at, one in enumerate(series):
            if one not in numbers and len(numbers) < self._limit:
                numbers[one] = len(numbers)
                new.append(at)
        return new

    def _add_beyond(self, points: pl.DataFrame) -> None:
        """Keep who reported which code, no more: there are few of both."""
        shown = points.select(*_labels(points), count=pl.col("value").cast(pl.UInt64))
        self._beyond.append(shown.select(slot=pl.lit(0, pl.Int64), reporter="reporter", code=_code(), count="count"))
        if len(self._beyond) > 64:
            self._beyond = [_summed(pl.concat(self._beyond))]

    def taken(self, slots: EdgeSlots) -> pl.DataFrame:
        """Columns: slot, reporter, code, count; begins anew, whatever becomes of these."""
        frames, told, sums = list(self._beyond), self._labels, self._sums
        self._clear()
        if told:
            labels = pl.concat(told)
            identity = labels.select(
                pl.col(label).replace("unknown", None).alias(name) for name, label in _LABELS.items()
            ).with_columns(
                # The label says `latest` of a workload that nobody knows.
                pl.when(pl.col(f"{side}.workload.name").is_not_null()).then(f"{side}.canonical.revision")
                for side in ("source", "destination")
            )
            frames.append(
                labels.select(
                    slot=pl.Series(slots.of(identity.select(EDGE_IDENTITY))),
                    reporter="reporter",
                    code=_code(),
                    count=pl.Series(sums[: len(labels)]).round().cast(pl.UInt64),
                )
            )
        return _summed(pl.concat(frames)) if frames else pl.DataFrame()


def _summed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("slot", "reporter", "code").agg(pl.col("count").sum())
