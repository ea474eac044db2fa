"""What Envoys wrote and what was counted, in the same words: one number for each metric and its labels."""

from collections import Counter
from collections.abc import Iterable

import polars as pl

from telemetry.demo.samples import Sample

__all__ = ["LABELS", "PROMQL", "Tally", "by_reporter", "counted", "growth", "unequal", "written"]

LABELS = ("reporter", "source_workload", "destination_workload", "response_code", "response_flags")
_HISTOGRAMS = {
    "istio_request_duration_milliseconds": "duration_ms",
    "istio_request_bytes": "downstream_wire_bytes_received",
    "istio_response_bytes": "downstream_wire_bytes_sent",
}
_HTTP = {
    "istio_requests_total": pl.len(),
    **{f"{name}_count": pl.len() for name in _HISTOGRAMS},
    **{f"{name}_sum": pl.col(column).sum() for name, column in _HISTOGRAMS.items()},
}
# Envoy's running totals: the last is the sum. A connection is opened by its first line.
_TCP = {
    "istio_tcp_connections_opened_total": pl.lit(1),
    "istio_tcp_connections_closed_total": (pl.col("access_log_type") == "TcpConnectionEnd").any(),
    "istio_tcp_sent_bytes_total": pl.col("downstream_wire_bytes_sent").max(),
    "istio_tcp_received_bytes_total": pl.col("downstream_wire_bytes_received").max(),
}
PROMQL = f'{{__name__=~"{"|".join((*_HTTP, *_TCP))}"}}'

# By metric and the values of LABELS; the last two are empty for TCP, whose lines have no code and whose flags change.
# Flags are put in order: Envoy writes them to files as they were raised, and to us as a set.
Tally = Counter[tuple[str, ...]]


def written(lines: pl.DataFrame) -> Tally:
    """Count what the Envoys' own files tell, a request by its line of type DownstreamEnd."""
    finished = lines.filter(access_log_type="DownstreamEnd").with_columns(
        pl.col("response_code").fill_null(0).cast(pl.String), pl.col("response_flags").fill_null("-")
    )
    connections = (
        lines.filter(pl.col("access_log_type").str.starts_with("Tcp"))
        .group_by(*LABELS[:3], "stream_id")
        .agg(**_TCP)
        .with_columns(pl.lit("").alias(name) for name in LABELS[3:])
    )
    http = _long(finished.group_by(LABELS).agg(**_HTTP))
    return http + _long(connections.group_by(LABELS).agg(pl.col(*_TCP).cast(pl.Int64).sum()))


def counted(samples: Iterable[Sample]) -> Tally:
    """Count the same from samples of Istio's metrics; others are left out."""
    tally = Tally()
    for sample in samples:
        shown = LABELS if sample.name in _HTTP else LABELS[:3]
        if sample.name in (*_HTTP, *_TCP):
            *ends, flags = (sample.labels.get(name, "") if name in shown else "" for name in LABELS)
            tally[sample.name, *ends, _in_order(flags)] += round(sample.value)
    return tally


def growth(after: Tally, before: Tally) -> Tally:
    """Give how much each number grew, or shrank."""
    grown = Tally(after)
    grown.subtract(before)
    return _without_zeros(grown)


def by_reporter(tally: Tally) -> Tally:
    """Sum over workloads, codes and flags."""
    sums = Tally()
    for key, number in tally.items():
        sums[key[:2]] += number
    return _without_zeros(sums)


def unequal(wrote: Tally, count: Tally) -> dict[tuple[str, ...], tuple[int, int]]:
    """Give what was written and what was counted, where they differ."""
    return {key: (wrote[key], count[key]) for key in growth(wrote, count)}


def _without_zeros(tally: Tally) -> Tally:
    return Tally({key: number for key, number in tally.items() if number})


def _in_order(flags: str) -> str:
    return ",".join(sorted(flags.split(",")))


def _long(wide: pl.DataFrame) -> Tally:
    tally = Tally()
    for row in wide.iter_rows(named=True):
        *ends, flags = (row[name] for name in LABELS)
        tally.update({(metric, *ends, _in_order(flags)): int(row[metric]) for metric in row if metric not in LABELS})
    return tally
