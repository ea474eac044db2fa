"""Cut a batch into pieces that a sink takes at a time."""

from collections.abc import Iterator
from operator import index

import numpy as np
import polars as pl

from telemetry.batch import Batch
from telemetry.plugin import Adapter, Limited, Limits

__all__ = ["halves", "limits_of", "pieces"]


def limits_of(adapter: Adapter, settings: Limits) -> Limits:
    """Give the lower of what the settings and the adapter allow.

    Raises what a stranger's `limits` raise, and TypeError or AttributeError when they are none.
    """
    own = adapter.limits if isinstance(adapter, Limited) else Limits()
    return Limits(_lower(settings.rows, own.rows), _lower(settings.size_bytes, own.size_bytes))


def _lower(one: int | None, other: int | None) -> int | None:
    """Give the lower limit; a sink that takes less than one row at a time is given one. Raises TypeError."""
    limits = [max(index(limit), 1) for limit in (one, other) if limit is not None]
    return min(limits, default=None)


def pieces(batch: Batch, limits: Limits) -> Iterator[Batch]:
    """Yield the batch in pieces within the limits, in order, rows keeping their numbers.

    A row that is larger than the limit goes alone: whether the sink takes it is the sink's to say.
    """
    by_bytes = limits.size_bytes is not None and batch.size_bytes > limits.size_bytes
    for part in _by_bytes(batch, limits.size_bytes or 0) if by_bytes else [batch]:
        step = limits.rows or max(len(part.rows), 1)
        for start in range(0, len(part.rows), step):
            yield part.slice(start, step)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Give the batch in two; it has at least two rows."""
    middle = len(batch.rows) // 2
    return batch.slice(0, middle), batch.slice(middle, len(batch.rows) - middle)


def _by_bytes(batch: Batch, size_bytes: int) -> Iterator[Batch]:
    """Cut where the rows before have filled a piece."""
    ends = np.cumsum(_row_bytes(batch))
    start, before = 0, 0.0
    while start < len(ends):
        end = max(start + 1, int(np.searchsorted(ends, before + size_bytes, side="right")))
        yield batch.slice(start, end - start)
        start, before = end, float(ends[end - 1])


def _row_bytes(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Estimate each row's size: its own texts, and its share of everything else."""
    texts = [name for name, dtype in batch.rows.schema.items() if dtype == pl.String]
    own = batch.rows.select(total=pl.sum_horizontal(pl.col(texts).str.len_bytes().cast(pl.Float64)))["total"]
    sizes = own.to_numpy() if texts else np.zeros(len(batch.rows))
    shared = max(0.0, batch.size_bytes - float(sizes.sum())) / len(batch.rows)
    return np.asarray(sizes + shared, dtype=np.float64)
