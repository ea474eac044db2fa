"""Which of a rule's rows go on: a share of them, so many in a second, and what nobody wants to miss."""

import numpy as np
import polars as pl

from telemetry.batch import Batch
from telemetry.config.rules import SamplingSettings
from telemetry.rules.allowance import Allowance
from telemetry.rules.draw import Bools, drawn

__all__ = ["Sampling"]


class Sampling:
    """What a rule's sampling keeps for one handler. Pure in the batch but for its rate limit."""

    def __init__(self, settings: SamplingSettings, limit: Allowance | None) -> None:
        self._settings = settings
        self._limit = limit
        self._important = _important(settings)

    def keep(self, batch: Batch, matched: Bools) -> Bools:
        """Say which of the matched rows go on. First those that are kept for what they say, which use up no limit."""
        kept: Bools = matched & batch.rows.select(self._important).to_series().to_numpy()
        positions = np.flatnonzero(matched & ~kept)
        if len(positions) and self._settings.percent < 100:
            lots = drawn(batch, pl.Series(positions), self._settings.by, self._settings.percent)
            positions = positions[lots]
        if self._limit:
            positions = positions[: self._limit.take(len(positions))]
        kept[positions] = True
        return kept


def _important(settings: SamplingSettings) -> pl.Expr:
    reasons = [pl.repeat(value=False, n=pl.len())]
    if settings.keep_errors:
        reasons.append(pl.col("response.outcome") != "success")
    if settings.slower_than_s is not None:
        slow = pl.col("response.duration").dt.total_nanoseconds() > int(settings.slower_than_s * 1e9)
        reasons.append(slow & ~pl.col("latency.excluded").fill_null(value=False))
    return pl.any_horizontal(reasons).fill_null(value=False)
