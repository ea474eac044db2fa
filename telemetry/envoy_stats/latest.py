"""What every Envoy said last of some stats."""

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from telemetry.envoy_stats.envoy import Envoy
from telemetry.envoy_stats.shapes import Shape
from telemetry.envoy_stats.stats import COUNTER, Stats

__all__ = ["latest"]

_LABELS = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))


def latest(stats: Collection[str], known: Stats, identities: Shape, envoys: Sequence[Envoy]) -> pl.DataFrame:
    """Give a row for each Envoy's series of these stats; see EnvoyStats.latest."""
    wanted = np.array(sorted({number for stat in stats for number in known.by_stat.get(stat, ())}), np.uint32)
    rows = [row for envoy in envoys for row in _of_envoy(envoy, wanted, known)]
    told = pl.DataFrame(
        rows,
        schema={
            "envoy": pl.UInt32, "stat": pl.String, "labels": _LABELS, "kind": pl.String, "value": pl.Float64,
            "time": pl.Int64, "snapshot": pl.Int64, "alive": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip
    return pl.concat([identities.frame[told["envoy"]], told.drop("envoy")], how="horizontal")


def _of_envoy(envoy: Envoy, wanted: NDArray[np.uint32], known: Stats) -> list[tuple[object, ...]]:
    used = envoy.used
    slots = used[np.isin(envoy.stat[used], wanted)]
    alive = envoy.alive
    return [
        (
            envoy.code,
            known.names[stat].stat,
            [{"name": name, "value": value} for name, value in known.names[stat].labels],
            "counter" if known.kind[stat] == COUNTER else "gauge",
            value,
            seen_ns,
            envoy.snapshot_ns,
            alive,
        )
        for stat, value, seen_ns in zip(
            envoy.stat[slots].tolist(), envoy.total[slots].tolist(), envoy.seen_ns[slots].tolist(), strict=True
        )
    ]
