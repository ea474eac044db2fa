"""What names a request at either end of a hop, as 64-bit numbers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Hashes", "among", "combined", "request_ids", "text"]

Hashes = npt.NDArray[np.uint64]

# https://doi.org/10.1145/2714064.2660195 (SplitMix64)
_ODD, _MIX_1, _MIX_2 = (np.uint64(it) for it in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_ZERO = np.uint64(0)
_BITS = 20
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)

_UUID_CHARACTERS = 36
# Each proxy may write the reason of its sampling decision here (Envoy's UUIDRequestIDExtension).
_REWRITTEN = 14


def text(values: pl.Series, seed: int) -> Hashes:
    """Hash texts; null is 0."""
    hashes = values.hash(seed).to_numpy()
    return np.where(values.is_null().to_numpy(), _ZERO, hashes) if values.null_count() else hashes


def request_ids(ids: pl.Series, seed: int) -> Hashes:
    """Hash request ids so that both ends' are equal: of a UUID without the digit that proxies rewrite; null is 0."""
    is_uuid = ids.str.len_bytes() == _UUID_CHARACTERS
    if not is_uuid.any():
        return text(ids, seed)
    both = text(ids.str.slice(0, _REWRITTEN), seed) ^ text(ids.str.slice(_REWRITTEN + 1), seed)
    if not ids.null_count() and is_uuid.all():
        return both
    return np.where(is_uuid.fill_null(value=False).to_numpy(), both, text(ids, seed))


def combined(*parts: npt.NDArray[Any]) -> Hashes:
    """Make one number of several; the order counts."""
    mixed: Hashes = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        mixed = (mixed + part.astype(np.uint64, copy=False) + _ODD) * _MIX_1
        mixed ^= mixed >> _30
    mixed = (mixed ^ (mixed >> _27)) * _MIX_2
    return mixed ^ (mixed >> _31)


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
