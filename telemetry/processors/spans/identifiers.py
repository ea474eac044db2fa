"""Trace and span ids that no header gives: the same for the same request, whoever works them out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, combined
from telemetry.processors.hops.octets import are_hexadecimal, octets, texts
from telemetry.processors.hops.reading import SEED

__all__ = ["hexadecimal", "identifiers", "span_ids", "trace_ids"]

_32 = np.uint64(32)
_DIGITS_OF_NUMBER = 16
_DIGITS_OF_BYTE = np.array([f"{byte:02x}" for byte in range(256)], "S2").view(np.uint16)
_UUID_CHARACTERS, _DIGITS_OF_TRACE = 36, 32
_DASHES = (8, 13, 18, 23)
_DIGITS = tuple(slice(start, end) for start, end in ((0, 8), (9, 13), (14, 18), (19, 23), (24, 36)))
_DASH, _LOWER_CASE, _VERSION = np.uint8(ord("-")), np.uint8(0x20), np.uint8(ord("4"))
# Of a UUID without its dashes: where proxies write why a trace is sampled.
_REWRITTEN = 12


def identifiers(values: pl.Series, digits: int) -> Hashes | None:
    """Hash ids, if all values that are not null are so many hex digits: null is 0. Else None."""
    hashes = np.zeros(len(values), np.uint64)
    if values.null_count() == len(values):
        return hashes
    # Asked once: the query engine, which answers, takes as long as the hashing of a thousand.
    there = values.is_not_null() if values.null_count() else None
    rows = octets(values if there is None else values.filter(there), digits)
    if rows is None or not are_hexadecimal(rows):
        return None
    words = rows.view(np.uint64)
    # A product's low bits know nothing of a word's high ones.
    of_present = combined(*(words ^ words >> _32).T, seed=SEED)
    if there is None:
        return of_present
    hashes[there.to_numpy()] = of_present
    return hashes


def hexadecimal(numbers: Hashes) -> pl.Series:
    """Write 64-bit numbers as 16 hex digits; 0, which is no id, as 1."""
    whole = np.maximum(numbers, 1).astype(">u8").view(np.uint8)
    return texts(_DIGITS_OF_BYTE.take(whole).view(np.uint8).reshape(-1, _DIGITS_OF_NUMBER))


def span_ids(*what: npt.NDArray[Any]) -> pl.Series:
    """Give a span's id from what tells it from others of its trace."""
    return hexadecimal(combined(*what))


def trace_ids(request_ids: pl.Series, otherwise: Hashes) -> pl.Series:
    """Give a trace's id: the request id's own digits where it is a UUID, so that one finds the other; else a hash."""
    digits = _digits_of_uuids(request_ids)
    return digits if digits is not None else _digits_of_some(request_ids, otherwise)


def _digits_of_uuids(request_ids: pl.Series) -> pl.Series | None:
    """Give the digits where all are UUIDs."""
    rows = octets(request_ids, _UUID_CHARACTERS)
    if rows is None or any((rows[:, at] != _DASH).any() for at in _DASHES):
        return None
    bare = np.concatenate([rows[:, digits] for digits in _DIGITS], axis=1)
    if not are_hexadecimal(bare):
        return None
    bare |= _LOWER_CASE
    # Version 4, which all of Envoy's are.
    bare[:, _REWRITTEN] = _VERSION
    return texts(bare)


def _digits_of_some(request_ids: pl.Series, otherwise: Hashes) -> pl.Series:
    bare = request_ids.str.to_lowercase().str.replace_all("-", "", literal=True)
    formed = (request_ids.str.len_bytes() == _UUID_CHARACTERS) & (bare.str.len_bytes() == _DIGITS_OF_TRACE)
    is_uuid = (formed & bare.str.decode("hex", strict=False).is_not_null()).fill_null(value=False)
    digits = bare.str.slice(0, _REWRITTEN) + "4" + bare.str.slice(_REWRITTEN + 1)
    return digits.zip_with(is_uuid, hexadecimal(otherwise) + hexadecimal(combined(otherwise)))
