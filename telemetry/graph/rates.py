"""What an edge shows: sums become rates, shares and quantiles."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from telemetry.edges.parts import BUCKETS, LATENCY_PARTS
from telemetry.graph.quantiles import quantile
from telemetry.processors.signals import BOUNDS

__all__ = ["rated"]

_SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
_PER_SECOND = {
    "requests_per_s": "requests",
    "request_bytes_per_s": "request_bytes",
    "response_bytes_per_s": "response_bytes",
    "connections_opened_per_s": "connections_opened",
}


def rated(sums: pl.DataFrame, duration_s: float) -> pl.DataFrame:
    """Replace the sums of `duration_s` by what people read.

    Columns kept: all that are no sums, and the counts of requests, errors, retries and missing reports. New: rates a
    second; shares (error_ratio, server_error_ratio, mtls_ratio, retried_ratio, paired_ratio), null without anything to
    divide; latency in milliseconds; concurrency, by Little's law.
    """
    buckets = sums.select(BUCKETS).to_numpy().astype(np.float64)
    quantiles = [pl.Series(name, quantile(buckets, BOUNDS, share)).fill_nan(None) for name, share in _SHARES.items()]
    return sums.with_columns(*_derived(duration_s), *quantiles).drop(
        *BUCKETS,
        *(f"{name}.{field}" for name in ("latency", *LATENCY_PARTS) for field in ("count", "sum_ms")),
        "busy_s",
    )


def _derived(duration_s: float) -> Iterator[pl.Expr]:
    for name, column in _PER_SECOND.items():
        yield (pl.col(column) / duration_s).alias(name)
    errors = pl.col("client_errors") + pl.col("server_errors") + pl.col("unanswered")
    ended = pl.max_horizontal(pl.col("requests") + pl.col("connections_closed"), errors)
    yield _share(errors, ended).alias("error_ratio")
    yield _share(pl.col("server_errors") + pl.col("unanswered"), ended).alias("server_error_ratio")
    yield _share(pl.col("mtls"), pl.col("mtls") + pl.col("plain")).alias("mtls_ratio")
    yield _share(pl.col("retried"), pl.col("requests")).alias("retried_ratio")
    yield _share(pl.col("requests_paired"), pl.col("requests")).alias("paired_ratio")
    yield (pl.col("busy_s") / duration_s).alias("concurrency")
    yield _share(pl.col("latency.sum_ms"), pl.col("latency.count")).alias("mean_ms")
    for part in LATENCY_PARTS:
        shown = f"{part.removeprefix('latency.')}_mean_ms"
        yield _share(pl.col(f"{part}.sum_ms"), pl.col(f"{part}.count")).alias(shown)


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
