"""Exponential (native) histograms: OpenTelemetry's buckets, Prometheus' schema, for all groups at once."""

import numpy as np
import numpy.typing as npt
import polars as pl
from arro3.core import Array, Field, list_array, struct_array

from telemetry.batch import EXPONENTIAL
from telemetry.processors.groups import Groups

__all__ = ["exponential"]

Ints = npt.NDArray[np.int64]


def exponential(
    values: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], groups: Groups, scale: int
) -> pl.Series:
    """Give the column `exponential`, a row for each group, its buckets ascending and none empty.

    Values are finite and not negative; those of 0 are in `zero_count`. Bucket i holds base**i < v <= base**(i+1),
    where base is 2**(2**-scale) (opentelemetry-proto, ExponentialHistogramDataPoint).
    """
    positive = present & (values > 0)
    index = _indices(values[positive], scale)
    lowest, highest = (int(index.min()), int(index.max())) if len(index) else (0, 0)
    width = highest - lowest + 1
    cells, counts = np.unique(groups.of_row[positive] * width + (index - lowest), return_counts=True)
    ends = np.cumsum(np.bincount(cells // width, minlength=len(groups)))
    buckets = _lists(cells % width + lowest, counts, np.concatenate(([0], ends)))
    zeros = groups.count(present & (values == 0)).astype(np.uint64)
    struct = pl.struct(
        scale=pl.lit(scale, pl.Int8),
        zero_threshold=pl.lit(0.0),
        zero_count="zero_count",
        positive="positive",
        negative=pl.lit([], EXPONENTIAL.fields[4].dtype),
    )
    return pl.DataFrame({"zero_count": zeros, "positive": buckets}).select(exponential=struct).to_series()


def _indices(values: npt.NDArray[np.float64], scale: int) -> Ints:
    """Give the bucket of each positive value: by its logarithm, exact where it is a power of two."""
    index: Ints = np.ceil(np.ldexp(np.log2(values), scale)).astype(np.int64) - 1
    return index


def _lists(index: Ints, counts: Ints, offsets: Ints) -> pl.Series:
    """Lay buckets out as lists: those of row n are from offsets[n] to offsets[n + 1]."""
    columns = [Array.from_numpy(index.astype(np.int32)), Array.from_numpy(counts.astype(np.uint64))]
    names = ("index", "count")
    buckets = struct_array(
        columns, fields=[Field(name, column.type) for name, column in zip(names, columns, strict=True)]
    )
    return pl.Series(list_array(Array.from_numpy(offsets.astype(np.int64)), buckets))
