"""Draw lots by what a request is called: the same request draws the same lot, wherever and whenever it is seen."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch

__all__ = ["IDS", "drawn"]

Bools = npt.NDArray[np.bool_]
UInts = npt.NDArray[np.uint64]

IDS = {"request_id": ("request.id", "connection.id"), "trace_id": ("trace.id", "request.id", "connection.id")}
"""The columns that name a request, by `sampling.by`; the first that is there decides."""

_PARTS = 10_000
_TRACE_BITS = 56
_HASHED_BYTES = 128


def drawn(batch: Batch, positions: pl.Series, by: str, percent: float) -> Bools:
    """Say which of the rows at these positions are drawn at `percent` per cent.

    A trace is drawn as OpenTelemetry's consistent probability sampling draws it, by the last 56 bits of its id; a
    request as Envoy's tracing does, by the first 32 bits of its x-request-id modulo 10,000 (finer shares are kept as
    they are, where Envoy's are rounded to hundredths of a per cent). Another name is hashed.
    A row without any name is drawn by its batch and number, which stay when it is offered again.
    """
    columns = [name for name in IDS[by] if name in batch.rows.columns]
    ids = batch.rows.select(pl.col(columns).gather(positions))
    numbers = batch.row_numbers.gather(positions)
    keep = _anonymous(batch, numbers.to_numpy(), percent)
    undecided = np.ones(len(positions), dtype=np.bool_)
    for column in ids:
        rule: Callable[[pl.Series, float], Bools] = _of_trace if column.name == "trace.id" else _of_request
        here = undecided & column.is_not_null().to_numpy()
        if here.any():
            keep[here] = rule(column.filter(pl.Series(here)), percent)
        undecided &= ~here
    return keep


def _of_trace(ids: pl.Series, percent: float) -> Bools:
    lots = _hexadecimal(ids, 18, 14)
    # Kept where the lot is at least the threshold of rejection, as `th` in tracestate says it.
    threshold = round((1 - percent / 100) * 2**_TRACE_BITS)
    kept: Bools = (lots >= threshold).fill_null(value=False).to_numpy(writable=True)
    return _with_texts(ids, lots, kept, percent)


def _of_request(ids: pl.Series, percent: float) -> Bools:
    lots = _hexadecimal(ids, 0, 8)
    return _with_texts(ids, lots, _within(lots.fill_null(0).to_numpy(), percent, bits=32), percent)


def _hexadecimal(ids: pl.Series, start: int, digits: int) -> pl.Series:
    """Read so many digits as a number; null where they are not there."""
    part = ids.str.slice(start, digits)
    numbers = part.str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    return numbers if (part.str.len_bytes() == digits).all() else numbers.set(part.str.len_bytes() != digits, None)


def _with_texts(ids: pl.Series, lots: pl.Series, kept: Bools, percent: float) -> Bools:
    """Decide about the ids that are no numbers: by their hash."""
    if lots.null_count():
        kept[lots.is_null().to_numpy()] = _within(_hashed(ids.filter(lots.is_null())), percent)
    return kept


def _within(lots: UInts, percent: float, *, bits: int = 64) -> Bools:
    """Say which lots, of so many bits, are drawn: whole ten-thousandths by Envoy's formula, a part of the next besides.

    Envoy rounds to whole ones. What is left of the lot, divided by them, says who is in such a part.
    """
    share = round(percent * _PARTS / 100, 9)  # whole where it would be without floating point's rest
    whole = math.floor(share)
    rests = lots % np.uint64(_PARTS)
    kept: Bools = rests < np.uint64(whole)
    if share > whole:
        kept |= (rests == np.uint64(whole)) & (lots // np.uint64(_PARTS) < (share - whole) * 2**bits / _PARTS)
    return kept


def _hashed(texts: pl.Series) -> UInts:
    """Hash the first 128 bytes of each: by a polynomial of the bytes. Ours, because Polars' may change with it."""
    binary = texts.cast(pl.Binary).bin.slice(0, _HASHED_BYTES)
    lengths = binary.bin.size().to_numpy().astype(np.int64)
    flat = np.frombuffer(b"".join(binary.to_list()), np.uint8).astype(np.uint64)
    starts = np.cumsum(lengths) - lengths
    powers = np.cumprod(np.full(_HASHED_BYTES + 1, 0x100000001B3, dtype=np.uint64))
    place = np.arange(len(flat)) - np.repeat(starts, lengths)
    sums = np.concatenate(([np.uint64(0)], np.cumsum((flat + np.uint64(1)) * powers[place], dtype=np.uint64)))
    return _scattered(sums[starts + lengths] - sums[starts])


def _scattered(numbers: UInts) -> UInts:
    """Spread numbers over 64 bits (splitmix64's finaliser)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _anonymous(batch: Batch, numbers: npt.NDArray[np.uint32], percent: float) -> Bools:
    seed = _hashed(pl.Series([f"{batch.receiver}/{batch.epoch}/{batch.sequence}"]))[0]
    return _within(_scattered(numbers.astype(np.uint64) + seed), percent)
