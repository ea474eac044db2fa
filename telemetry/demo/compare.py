"""What was counted against what Envoys wrote to their own files, exactly."""

from collections.abc import Iterable

import polars as pl

from telemetry.demo.samples import Sample

__all__ = [
    "KEYS",
    "PROMQL",
    "SCHEMA",
    "compare",
    "counted",
    "difference",
    "expected",
    "open_connections",
    "totals",
]

_HTTP_METRIC = "istio_requests_total"
_TCP_METRICS = {
    "istio_tcp_connections_opened_total": pl.lit(1),
    "istio_tcp_connections_closed_total": (pl.col("access_log_type") == "TcpConnectionEnd").any(),
    # Envoy's running totals: the last is the sum.
    "istio_tcp_sent_bytes_total": pl.col("downstream_wire_bytes_sent").max(),
    "istio_tcp_received_bytes_total": pl.col("downstream_wire_bytes_received").max(),
}
_NAMES = (_HTTP_METRIC, *_TCP_METRICS)
_ENDS = ("reporter", "source_workload", "destination_workload")

KEYS = ("metric", *_ENDS, "response_code")
SCHEMA = pl.Schema({**dict.fromkeys(KEYS, pl.String()), "value": pl.Int64()})
PROMQL = f'{{__name__=~"{"|".join(_NAMES)}"}}'


def expected(lines: pl.DataFrame) -> pl.DataFrame:
    """Give Istio's counters as the access log files imply them: `KEYS` and `value`; TCP has no response code.

    A request counts once, by its line of type DownstreamEnd. A connection is opened with its first line.
    """
    return pl.concat([_requests(lines), *_connections(lines)])


def counted(samples: Iterable[Sample]) -> pl.DataFrame:
    """Sum the same counters out of samples: `KEYS` and `value`."""
    rows = [
        (sample.name, *(sample.labels.get(key, "") for key in KEYS[1:]), round(sample.value))
        for sample in samples
        if sample.name in _NAMES
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").group_by(KEYS).agg(pl.col("value").sum())


def difference(after: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Give how much each counter grew; those that didn't are left out."""
    both = pl.concat([after, before.with_columns(-pl.col("value"))])
    return both.group_by(KEYS).agg(pl.col("value").sum()).filter(pl.col("value") != 0)


def compare(expected: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """Put both side by side: `KEYS`, `expected`, `counted`, `agree`; what one side lacks is 0 there."""
    joined = expected.rename({"value": "expected"}).join(
        counted.rename({"value": "counted"}), on=KEYS, how="full", coalesce=True
    )
    return (
        joined.with_columns(pl.col("expected", "counted").fill_null(0))
        .with_columns(agree=pl.col("expected") == pl.col("counted"))
        .sort(KEYS)
    )


def totals(counters: pl.DataFrame) -> pl.DataFrame:
    """Sum over workloads: `metric`, `reporter`, `value`."""
    return counters.group_by("metric", "reporter").agg(pl.col("value").sum()).sort("metric", "reporter")


def open_connections(lines: pl.DataFrame) -> int:
    """Count the TCP connections that have been reported but not their end."""
    ended = pl.col("access_log_type") == "TcpConnectionEnd"
    streams = _tcp(lines).group_by("stream_id").agg(ended=ended.any())
    return streams.filter(~pl.col("ended")).height


def _requests(lines: pl.DataFrame) -> pl.DataFrame:
    finished = lines.filter(access_log_type="DownstreamEnd")
    code = pl.col("response_code").fill_null(0).cast(pl.String)
    counts = finished.group_by(*_ENDS, response_code=code).agg(value=pl.len().cast(pl.Int64))
    return counts.select(pl.lit(_HTTP_METRIC).alias("metric"), *KEYS[1:], "value")


def _connections(lines: pl.DataFrame) -> list[pl.DataFrame]:
    connections = _tcp(lines).group_by(*_ENDS, "stream_id").agg(**_TCP_METRICS)
    return [
        connections.group_by(_ENDS)
        .agg(value=pl.col(metric).cast(pl.Int64).sum())
        .select(pl.lit(metric).alias("metric"), *_ENDS, pl.lit("").alias("response_code"), pl.col("value"))
        for metric in _TCP_METRICS
    ]


def _tcp(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("access_log_type").str.starts_with("Tcp"))
