"""The golden signals of each edge: how much, how wrong, how slow."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from telemetry.demo.samples import Sample

__all__ = ["QUANTILES", "Edge", "edges", "histogram_quantile"]

QUANTILES = (0.5, 0.95, 0.99)
_REQUESTS = "istio_requests_total"
_BUCKETS = "istio_request_duration_milliseconds_bucket"
_BYTES = ("istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total")


@dataclass(frozen=True, slots=True)
class Edge:
    """Traffic from one workload to another, as the source reports it; NaN where there is nothing to judge by.

    `error_ratio`: share of requests answered with a 5xx, or not at all. `latency_ms`: its `QUANTILES`.
    `bytes_per_s`: of TCP connections, both ways.
    """

    source: str
    destination: str
    requests_per_s: float
    error_ratio: float
    latency_ms: tuple[float, ...]
    bytes_per_s: float


def edges(rates: Iterable[Sample]) -> list[Edge]:
    """Sum per-second rates of Istio's series into edges, by both ends; edges at rest are left out."""
    by_ends: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for rate in rates:
        if rate.labels.get("reporter") == "source" and rate.value > 0:
            by_ends[rate.labels["source_workload"], rate.labels["destination_workload"]].append(rate)
    return [_edge(*ends, by_ends[ends]) for ends in sorted(by_ends)]


def histogram_quantile(quantile: float, cumulative: Mapping[float, float]) -> float:
    """Interpolate within the bucket that the quantile falls in, as PromQL does; NaN when empty.

    `cumulative`: count up to each upper bound, `inf` among them. Above the last finite bound: that bound.
    """
    total = cumulative.get(math.inf, 0.0)
    if not total:
        return math.nan
    rank = quantile * total
    lower_bound, below = 0.0, 0.0
    for bound, count in sorted(cumulative.items()):
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower_bound
            return lower_bound + (bound - lower_bound) * (rank - below) / (count - below)
        lower_bound, below = bound, count
    return lower_bound


def _edge(source: str, destination: str, rates: list[Sample]) -> Edge:
    requests = [rate for rate in rates if rate.name == _REQUESTS]
    per_s = sum(rate.value for rate in requests)
    errors_per_s = sum(rate.value for rate in requests if _failed(rate.labels["response_code"]))
    cumulative: dict[float, float] = defaultdict(float)
    for rate in rates:
        if rate.name == _BUCKETS:
            cumulative[float(rate.labels["le"])] += rate.value
    return Edge(
        source,
        destination,
        per_s,
        errors_per_s / per_s if per_s else math.nan,
        tuple(histogram_quantile(quantile, cumulative) for quantile in QUANTILES),
        sum(rate.value for rate in rates if rate.name in _BYTES),
    )


def _failed(response_code: str) -> bool:
    return response_code == "0" or response_code.startswith("5")
