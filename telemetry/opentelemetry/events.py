"""A column of span events as OTLP's."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

import polars as pl

from telemetry.opentelemetry.keyvalues import key_value
from telemetry.wire import Heads, delimited, fixed64, messages, texts

__all__ = ["events"]

_EVENTS = 11
_TIME, _NAME, _ATTRIBUTES = 1, 2, 3


def events(column: pl.Series) -> list[bytes]:
    """Write each row's events; nothing where there are none."""
    lengths = column.list.len().fill_null(0)
    if not lengths.sum():
        return [b""] * len(column)
    flat = column.filter(lengths > 0).explode().struct.unnest()
    times = flat["time"].to_physical()
    stamps = fixed64((_TIME, times.fill_null(0).to_numpy()))
    parts = [
        [b"" if absent else stamp for stamp, absent in zip(stamps, times.is_null().to_list(), strict=True)],
        texts(Heads(_NAME), flat["name"]),
        _attributes(flat["attributes"]),
    ]
    return _joined(messages(Heads(_EVENTS), parts), lengths.to_list())


def _attributes(column: pl.Series) -> list[bytes]:
    lengths = column.list.len().fill_null(0)
    if not lengths.sum():
        return [b""] * len(column)
    pairs = column.filter(lengths > 0).explode().struct.unnest().rows()
    return _joined((_attribute(key or "", value or "") for key, value in pairs), lengths.to_list())


@lru_cache(maxsize=4096)
def _remembered(key: str, value: str) -> bytes:
    return delimited(_ATTRIBUTES, key_value(key, value))


def _attribute(key: str, value: str) -> bytes:
    if len(key) + len(value) > 256:
        return delimited(_ATTRIBUTES, key_value(key, value))
    return _remembered(key, value)


def _joined(pieces: Iterable[bytes], lengths: Sequence[int]) -> list[bytes]:
    """Join the first so many pieces, the next so many, and so on."""
    rest = iter(pieces)
    return [b"".join(islice(rest, length)) for length in lengths]
