"""Quantiles of histograms, as Prometheus' histogram_quantile makes them."""

import numpy as np
import numpy.typing as npt

__all__ = ["quantile"]

Floats = npt.NDArray[np.float64]


def quantile(buckets: Floats, bounds: Floats, share: float) -> Floats:
    """Give one quantile per row of `buckets` (not cumulative, the last is +Inf); NaN for a row without values.

    Within a bucket values are taken to lie evenly; what is above the last bound is told as that bound.
    """
    if not len(buckets):
        return np.zeros(0)
    cumulative = np.cumsum(buckets, axis=1)
    total = cumulative[:, -1]
    rank = share * total
    at = np.minimum((cumulative < rank[:, None]).sum(axis=1), len(bounds))
    rows = np.arange(len(buckets))
    inside = np.minimum(at, len(bounds) - 1)
    lower = np.where(inside > 0, bounds[inside - 1], 0.0)
    before = np.where(inside > 0, cumulative[rows, inside - 1], 0.0)
    count = buckets[rows, inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = lower + (bounds[inside] - lower) * (rank - before) / count
    found = np.where(at >= len(bounds), bounds[-1], found)
    return np.where(total > 0, found, np.nan)
