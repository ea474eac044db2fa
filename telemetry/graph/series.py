"""Golden signals over time: of a service, or of what goes between two."""

from typing import Any

import polars as pl

from telemetry.edges import Reader, Window
from telemetry.graph.elements import shown
from telemetry.graph.rates import rated

__all__ = ["signals"]


def signals(reader: Reader, window: Window, step_s: int, edges: list[int]) -> list[dict[str, Any]]:
    """Give the signals of some kept edges, all in one: a point for each step of an aligned window, in order.

    A step without traffic has rates of 0 and no latency. `seconds`: how long the step is; the first and last may be
    shorter.
    """
    wanted = pl.Series(edges, dtype=pl.UInt64).implode()
    points = []
    for start, frame in reader.steps("sums", window, step_s):
        seconds = min(start - start % step_s + step_s, window.end_s) - start
        sums = frame.filter(pl.col("edge").is_in(wanted)).drop("edge").sum()
        (point,) = shown(rated(sums, seconds)).to_dicts()
        points.append({"time": start, "seconds": int(seconds), **point})
    return points
