"""Trace and span ids that no header gives: the same for the same request, whoever works them out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, combined

__all__ = ["SEED", "hexadecimal", "span_ids", "trace_ids"]

SEED = 0x6D657368
"""Fixed: two of us give one request the same ids, and so do we after a restart."""

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_UUID_BYTES, _DIGITS_OF_TRACE = 36, 32
# Of a UUID without its dashes: where proxies write why a trace is sampled.
_REWRITTEN = 12


def hexadecimal(numbers: Hashes) -> pl.Series:
    """Write 64-bit numbers as 16 hex digits; 0, which is no id, as 1."""
    octets = np.maximum(numbers, 1).astype(">u8").view(np.uint8).reshape(-1, 8)
    digits = np.empty((len(numbers), 16), np.uint8)
    digits[:, 0::2] = _DIGITS[octets >> 4]
    digits[:, 1::2] = _DIGITS[octets & 15]
    return pl.Series(digits.view("S16").ravel(), dtype=pl.Binary).cast(pl.String)


def span_ids(*what: npt.NDArray[Any]) -> pl.Series:
    """Give a span's id from what tells it from others of its trace."""
    return hexadecimal(combined(*what))


def trace_ids(request_ids: pl.Series, otherwise: Hashes) -> pl.Series:
    """Give a trace's id: the request id's own digits where it is a UUID, so that one finds the other; else a hash."""
    bare = request_ids.str.to_lowercase().str.replace_all("-", "", literal=True)
    formed = (request_ids.str.len_bytes() == _UUID_BYTES) & (bare.str.len_bytes() == _DIGITS_OF_TRACE)
    is_uuid = (formed & bare.str.decode("hex", strict=False).is_not_null()).fill_null(value=False)
    # Version 4, which all of Envoy's are.
    digits = bare.str.slice(0, _REWRITTEN) + "4" + bare.str.slice(_REWRITTEN + 1)
    if is_uuid.all():
        return digits
    return digits.zip_with(is_uuid, hexadecimal(otherwise) + hexadecimal(combined(otherwise)))
