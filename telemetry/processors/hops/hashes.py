"""What names a request at either end of a hop, as 64-bit numbers."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.octets import are_wide, octets

__all__ = ["Hashes", "among", "combined", "distinct", "request_ids", "sorted_out", "text", "texts"]

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

# https://doi.org/10.1145/2714064.2660195 (SplitMix64)
_ODD, _MIX_1, _MIX_2 = (np.uint64(it) for it in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_ZERO = np.uint64(0)
_BITS = 20
_ABOVE_BITS = np.uint64(64 - _BITS)
_BYTES = 8
_30, _27, _31, _32 = (np.uint64(bits) for bits in (30, 27, 31, 32))

_UUID_CHARACTERS = 36
_WORDS = 5
# Each proxy may write the reason of its sampling decision here (Envoy's UUIDRequestIDExtension).
_REWRITTEN = 14


def texts(rows: pl.DataFrame, names: Sequence[str], seed: int) -> dict[str, Hashes]:
    """Hash columns of texts, or of numbers; null is 0."""
    # All at once: to begin with one takes as long as to hash a thousand texts.
    hashed = rows[list(names)].select_seq(pl.all().hash(seed))
    return {name: _nulls_as_0(rows[name], hashed[name].to_numpy()) for name in names}


def text(values: pl.Series, seed: int) -> Hashes:
    """Hash texts; null is 0."""
    return _nulls_as_0(values, values.hash(seed).to_numpy())


def _nulls_as_0(values: pl.Series, hashes: Hashes) -> Hashes:
    return np.where(values.is_null().to_numpy(), _ZERO, hashes) if values.null_count() else hashes


def request_ids(ids: pl.Series, seed: int) -> Hashes:
    """Hash request ids so that both ends' are equal: of a UUID without the digit that proxies rewrite; null is 0."""
    if are_wide(ids, _UUID_CHARACTERS):
        return _of_uuids(ids, seed)
    is_uuid = (ids.str.len_bytes() == _UUID_CHARACTERS).fill_null(value=False)
    hashes = text(ids, seed)
    if is_uuid.any():
        hashes = np.where(is_uuid.to_numpy(), _ZERO, hashes)
        hashes[is_uuid.to_numpy()] = _of_uuids(ids.filter(is_uuid), seed)
    return hashes


def _of_uuids(ids: pl.Series, seed: int) -> Hashes:
    octets_of_words = np.zeros((len(ids), _WORDS * _BYTES), np.uint8)
    octets_of_words[:, :_UUID_CHARACTERS] = octets(ids, _UUID_CHARACTERS)
    octets_of_words[:, _REWRITTEN] = 0
    words = octets_of_words.view(np.uint64)
    # A product's low bits know nothing of a word's high ones.
    words ^= words >> _32
    return combined(*words.T, seed=seed)


def combined(*parts: npt.NDArray[Any], seed: int = 0) -> Hashes:
    """Make one number of several; the order counts. `seed`: makes it one that nobody else can work out."""
    # Each part times an odd number of its own, summed up; then mixed, as the sum's low bits know the low bits only.
    mixed = _as_numbers(parts[0]) * _factor(0, seed)
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
    return mixed


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
    # Where there are few, each has a place of its own in a table, mostly: then nothing need be sorted.
    cells = (keys >> _ABOVE_BITS).view(np.int64)
    table = np.empty(1 << _BITS, np.int64)
    table[cells] = np.arange(len(keys))
    place = table[cells]
    if not (keys[place] == keys).all():
        return sorted_out(keys)
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
        in_order = np.sort(others)
        places = np.minimum(np.searchsorted(in_order, keys[at]), len(in_order) - 1)
        found[at] = in_order[places] == keys[at]
    return found
