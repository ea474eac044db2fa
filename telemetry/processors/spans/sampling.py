"""Which traces are kept: by their caller's flag, by chance that all agree on, by rate, or by what came of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.spans.settings import SamplingSettings, TailSettings

__all__ = ["ALL", "randomness", "tail", "threshold", "trace_state"]

# https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
_BITS = 56
ALL = 0
"""The threshold below which no randomness is."""


def threshold(settings: SamplingSettings) -> int:
    """Give the rejection threshold: traces whose randomness is at least that are kept."""
    return round((1 - settings.probability) * (1 << _BITS))


def randomness(trace_ids: pl.Series, states: pl.Series | None = None) -> npt.NDArray[np.uint64]:
    """Give each trace's 56 bits of randomness: the tracestate's `ot=rv:…`, else the end of the trace's id."""
    digits = trace_ids.str.slice(-14)
    if states is not None and states.null_count() < len(states):
        digits = pl.select(
            pl.coalesce(states.str.extract(r"(?:^|,)\s*ot=(?:[^,]*;)?rv:([0-9a-f]{14})"), digits)
        ).to_series()
    return digits.str.to_integer(base=16, dtype=pl.UInt64, strict=False).fill_null(0).to_numpy()


def trace_state(least: int) -> str | None:
    """Say in a tracestate how likely it was that a trace is kept; None where all are."""
    return f"ot=th:{least:014x}".rstrip("0") if least else None


def tail(settings: TailSettings, matches: Sequence[pl.Expr]) -> pl.Expr | None:
    """Give the condition (over LOGENTRY rows) for which one row is enough to keep its trace; None: there is none."""
    conditions = list(matches)
    if settings.errors:
        conditions.append(pl.col("response.outcome") == "server_error")
    if settings.slower_than_s is not None:
        slow = pl.col("response.duration").to_physical() > int(settings.slower_than_s * 1e9)
        conditions.append(slow & ~pl.col("latency.excluded").fill_null(value=False))
    if not conditions:
        return None
    return pl.any_horizontal([condition.fill_null(value=False) for condition in conditions])
