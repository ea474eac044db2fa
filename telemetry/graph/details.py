"""What one edge has several of: responses, blame, principals, the histograms of its latency."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from telemetry.edges import Reader, Window
from telemetry.edges.parts import BUCKETS
from telemetry.graph.quantiles import quantile
from telemetry.processors.signals import BOUNDS

__all__ = ["details_of"]

_LISTS = {"responses": ("code", "grpc_status", "flags"), "blame": ("blame",)}
_PERCENTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def details_of(reader: Reader, window: Window, members: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Give the details of some edges of a graph of this (aligned) window, each made of kept edges.

    responses, blame: counts, the most frequent first; source_principals, destination_principals; latency: of the
    application, the network and the proxies, the percentiles that are known.
    """
    numbers = {edge: at for at, edges in enumerate(members) for edge in edges}
    found: list[dict[str, Any]] = [
        {"responses": [], "blame": [], "source_principals": [], "destination_principals": [], "latency": {}}
        for _ in members
    ]
    for part, fields in _LISTS.items():
        sums = _of_members(reader.summed(part, window), numbers).group_by("at", *fields).agg(pl.col("count").sum())
        for at, *values, count in sums.sort("count", descending=True).iter_rows():
            found[at][part].append({**dict(zip(fields, values, strict=True)), "count": count})
    for at, side, principal in _of_members(reader.principals(), numbers).select("at", "side", "principal").iter_rows():
        names = found[at][f"{side}_principals"]
        if principal not in names:
            names.append(principal)
    for at, latency in _latencies(_of_members(reader.summed("latencies", window), numbers)).items():
        found[at]["latency"] = latency
    return found


def _of_members(frame: pl.DataFrame, numbers: Mapping[int, int]) -> pl.DataFrame:
    ids = pl.Series("edge", list(numbers), dtype=pl.UInt64)
    return frame.join(pl.DataFrame({"edge": ids, "at": pl.Series(list(numbers.values()), dtype=pl.Int64)}), on="edge")


def _latencies(frame: pl.DataFrame) -> Mapping[int, dict[str, Any]]:
    sums = frame.group_by("at", "part").agg(pl.col(BUCKETS).sum())
    buckets = sums.select(BUCKETS).to_numpy().astype(np.float64)
    shares = {name: quantile(buckets, BOUNDS, share) for name, share in _PERCENTILES.items()}
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for row, (at, part) in enumerate(sums.select("at", "part").iter_rows()):
        found[at][part.removeprefix("latency.")] = {name: round(float(of[row]), 3) for name, of in shares.items()}
    return found
