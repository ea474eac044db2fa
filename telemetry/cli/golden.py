"""The golden signals by service, edge, workload or operation, from the rates of Istio's series."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from telemetry.demo.samples import Sample
from telemetry.demo.signals import QUANTILES, histogram_quantile

__all__ = ["KEYS", "SORTS", "Row", "rows_by", "sorted_rows"]

_REQUESTS = "istio_requests_total"
_BUCKETS = "istio_request_duration_milliseconds_bucket"
_BYTES = ("istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total")
# As response.outcome judges them (docs/blame.md).
_GRPC_SERVER_ERRORS = frozenset({"2", "4", "12", "13", "14", "15"})

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line; NaN where there is nothing to judge by.

    `reporter`: who told, of the two ends the one that told of more. `error_ratio`: share of requests answered with a
    5xx, a gRPC status that is the server's fault, or not at all. `latency_ms`: the p50, p95 and p99.
    """

    name: str
    reporter: str
    requests_per_s: float
    error_ratio: float
    latency_ms: tuple[float, ...]
    bytes_per_s: float


def _service(labels: Labels) -> str:
    return labels.get("destination_service") or labels.get("destination_service_name") or "unknown"


def _workload(labels: Labels, side: str = "destination") -> str:
    name, namespace = labels.get(f"{side}_workload", "unknown"), labels.get(f"{side}_workload_namespace", "unknown")
    return name if namespace in ("unknown", "") else f"{name}.{namespace}"


def _operation(labels: Labels) -> str | None:
    operation = labels.get("request_operation")
    return f"{_service(labels)} {operation}" if operation else None


KEYS: Mapping[str, Callable[[Labels], str | None]] = {
    "service": _service,
    "edge": lambda labels: f"{_workload(labels, 'source')} → {_workload(labels)}",
    "workload": _workload,
    "operation": _operation,
}
"""What a line is about, by its labels; None: about nothing."""

SORTS: Mapping[str, Callable[[Row], float]] = {
    "rate": lambda row: row.requests_per_s,
    "errors": lambda row: row.error_ratio,
    **{f"p{quantile * 100:g}": lambda row, at=at: row.latency_ms[at] for at, quantile in enumerate(QUANTILES)},  # type: ignore[misc]
    "bytes": lambda row: row.bytes_per_s,
}
"""What lines can be sorted by, the greatest first; `name` besides."""


def rows_by(key: Callable[[Labels], str | None], rates: Iterable[Sample]) -> list[Row]:
    """Sum per-second rates into lines; what is at rest is left out."""
    groups: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for rate in rates:
        if rate.value > 0 and (name := key(rate.labels)) is not None:
            groups[name][rate.labels.get("reporter", "unknown")].append(rate)
    return [max((_row(name, *one) for one in ends.items()), key=_told) for name, ends in groups.items()]


def sorted_rows(rows: Iterable[Row], by: str) -> list[Row]:
    """Sort lines; where there is nothing to judge by, at the end."""
    named = sorted(rows, key=lambda row: row.name)
    if by == "name":
        return named
    value = SORTS[by]
    return sorted(named, key=lambda row: -math.inf if math.isnan(value(row)) else value(row), reverse=True)


def _told(row: Row) -> tuple[float, float]:
    return row.requests_per_s, row.bytes_per_s


def _row(name: str, reporter: str, rates: list[Sample]) -> Row:
    requests = [rate for rate in rates if rate.name == _REQUESTS]
    per_s = sum(rate.value for rate in requests)
    cumulative: dict[float, float] = defaultdict(float)
    for rate in rates:
        if rate.name == _BUCKETS:
            cumulative[float(rate.labels["le"])] += rate.value
    return Row(
        name,
        reporter,
        per_s,
        sum(rate.value for rate in requests if _failed(rate.labels)) / per_s if per_s else math.nan,
        tuple(histogram_quantile(quantile, cumulative) for quantile in QUANTILES),
        sum(rate.value for rate in rates if rate.name in _BYTES),
    )


def _failed(labels: Labels) -> bool:
    code = labels.get("response_code", "")
    return code == "0" or code.startswith("5") or labels.get("grpc_response_status") in _GRPC_SERVER_ERRORS
