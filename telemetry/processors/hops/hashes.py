"""What names a request at either end of a hop, as 64-bit numbers."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.octets import Octets, binary, octets

__all__ = ["Hashes", "among", "combined", "distinct", "request_ids", "sorted_out", "text", "texts"]

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

# https://doi.org/10.1145/2714064.2660195 (SplitMix64)
_ODD, _MIX_1, _MIX_2 = (np.uint64(it) for it in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_ZERO = np.uint64(0)
_BITS = 20
# Small enough for a cache.
_CELLS = 15
_ABOVE_CELLS = np.uint64(64 - _CELLS)
_BYTES = 8
# So many numbers, and what they are made of, stay in a core's own cache.
_AT_ONCE = 1 << 15
_30, _27, _31 = (np.uint64(bits) for bits in (30, 27, 31))

_UUID_CHARACTERS = 36
# Each proxy may write the reason of its sampling decision over the version (Envoy's UUIDRequestIDExtension).
_REWRITTEN, _VERSION = 14, np.uint8(ord("4"))


def texts(rows: pl.DataFrame, names: Sequence[str], seed: int) -> dict[str, Hashes]:
    """Hash columns of texts, or of numbers; null is 0."""
    return {name: text(rows[name], seed) for name in names}


def text(values: pl.Series, seed: int) -> Hashes:
    """Hash texts, or bytes; null is 0."""
    # A frame's rows are hashed without the query engine, which costs as much as the hashing of a thousand texts.
    hashes = values.to_frame().hash_rows(seed).to_numpy()
    return np.where(hashes == _of_null(values.dtype, seed), _ZERO, hashes) if values.null_count() else hashes


@cache
def _of_null(dtype: pl.DataType, seed: int) -> np.uint64:
    return np.uint64(pl.Series([None], dtype=dtype).to_frame().hash_rows(seed)[0])


def request_ids(ids: pl.Series, seed: int) -> Hashes:
    """Hash request ids so that both ends' are equal: of a UUID without the digit that proxies rewrite; null is 0."""
    rows = octets(ids, _UUID_CHARACTERS)
    if rows is not None:
        return text(_as_made(ids, rows), seed)
    is_uuid = (ids.str.len_bytes() == _UUID_CHARACTERS).fill_null(value=False)
    hashes = text(ids, seed)
    if is_uuid.any():
        hashes = hashes.copy()
        hashes[is_uuid.to_numpy()] = request_ids(ids.filter(is_uuid), seed)
    return hashes


def _as_made(ids: pl.Series, rows: Octets) -> pl.Series:
    """Give UUIDs as they were made, of version 4, in bytes: whoever calls it so may send what is none, cut anywhere."""
    if (rows[:, _REWRITTEN] == _VERSION).all():
        return ids.cast(pl.Binary)
    made = rows.copy()
    made[:, _REWRITTEN] = _VERSION
    return binary(made)


def combined(*parts: npt.NDArray[Any], seed: int = 0) -> Hashes:
    """Make one number of several; the order counts. `seed`: makes it one that nobody else can work out."""
    mixed = np.empty(len(parts[0]), np.uint64)
    for start in range(0, len(mixed), _AT_ONCE):
        block = slice(start, start + _AT_ONCE)
        _combine([part[block] for part in parts], seed, mixed[block])
    return mixed


def _combine(parts: Sequence[npt.NDArray[Any]], seed: int, mixed: Hashes) -> None:
    # Each part times an odd number of its own, summed up; then mixed, as the sum's low bits know the low bits only.
    np.multiply(_as_numbers(parts[0]), _factor(0, seed), out=mixed)
    product = np.empty_like(mixed)
    for at, part in enumerate(parts[1:], start=1):
        np.multiply(_as_numbers(part), _factor(at, seed), out=product)
        mixed += product
    for shift, factor in ((_30, _MIX_1), (_27, _MIX_2)):
        np.right_shift(mixed, shift, out=product)
        mixed ^= product
        mixed *= factor
    np.right_shift(mixed, _31, out=product)
    mixed ^= product


def _as_numbers(part: npt.NDArray[Any]) -> Hashes:
    return part.view(np.uint64) if part.dtype.itemsize == _BYTES else part.astype(np.uint64)


@cache
def _factor(at: int, seed: int) -> np.uint64:
    """Give the odd number of the part in that place: SplitMix64's sequence of that seed."""
    state = (seed + (at + 1) * int(_ODD)) % (1 << 64)
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        state = (state ^ (state >> shift)) * int(factor) % (1 << 64)
    return np.uint64((state ^ (state >> 31)) | 1)


def distinct(keys: Hashes) -> tuple[Ints, Ints]:
    """Give of each distinct key a place where it stands, and of each key its number among those."""
    # Where there are few, each has a place of its own in a table, mostly: then only the others need be sorted.
    cells = (keys >> _ABOVE_CELLS).view(np.int64)
    table = np.empty(1 << _CELLS, np.int64)
    table[cells] = np.arange(len(keys))
    place = table[cells]
    others = np.flatnonzero(keys[place] != keys)
    if len(others):
        first, number = sorted_out(keys[others])
        place[others] = others[first][number]
    stands = np.zeros(len(keys), np.bool_)
    stands[place] = True
    places = np.flatnonzero(stands)
    number = np.empty(len(keys), np.int64)
    number[places] = np.arange(len(places))
    return places, number[place]


def sorted_out(keys: Hashes) -> tuple[Ints, Ints]:
    """Do the same where most keys are distinct."""
    order = np.argsort(keys)
    in_order = keys[order]
    begins = np.ones(len(keys), np.bool_)
    np.not_equal(in_order[1:], in_order[:-1], out=begins[1:])
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = np.cumsum(begins) - 1
    return order[begins], numbers


def among(keys: Hashes, others: Hashes) -> npt.NDArray[np.bool_]:
    """Tell which keys are among the others, where few are: most are ruled out by a table, without sorting."""
    table = np.zeros(1 << _BITS, np.bool_)
    mask = np.uint64((1 << _BITS) - 1)
    table[others & mask] = True
    found: npt.NDArray[np.bool_] = table[keys & mask]
    at = np.flatnonzero(found)
    if len(at):
        # Of the others, too, only those that one of these may be.
        table[:] = False
        table[keys[at] & mask] = True
        in_order = np.sort(others[table[others & mask]])
        places = np.minimum(np.searchsorted(in_order, keys[at]), len(in_order) - 1)
        found[at] = in_order[places] == keys[at]
    return found
