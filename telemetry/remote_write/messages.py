"""Series as a WriteRequest of 1.0 or a Request of 2.0.

https://prometheus.io/docs/specs/prw/remote_write_spec/ (1.0), https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
(2.0-rc.4, whose start timestamps belong to samples).
"""

from collections.abc import Iterable, Sequence

from telemetry.exposition import UNIT_WORDS
from telemetry.remote_write.histograms import histogram_message
from telemetry.remote_write.series import Exemplar, Labels, Series
from telemetry.wire import delimited, double, varint, varint_field

__all__ = ["request_v1", "request_v2", "sample_count"]

_TYPES = {"counter": 1, "gauge": 2, "histogram": 3}


def request_v1(series: Sequence[Series], time_ms: int) -> bytes:
    """Write a prometheus.WriteRequest."""
    labels = _Labels()
    return b"".join(delimited(1, _series_v1(one, time_ms, labels)) for one in series)


def request_v2(series: Sequence[Series], time_ms: int) -> bytes:
    """Write an io.prometheus.write.v2.Request: each text once, in the symbol table."""
    symbols = _Symbols()
    body = b"".join(delimited(5, _series_v2(one, time_ms, symbols)) for one in series)
    return b"".join(delimited(4, symbol.encode()) for symbol in symbols) + body


class _Labels(dict[tuple[str, str], bytes]):
    """Each distinct pair of name and value of a request is encoded once."""

    def __missing__(self, pair: tuple[str, str]) -> bytes:
        name, value = pair
        encoded = self[pair] = delimited(1, delimited(1, name.encode()) + delimited(2, value.encode()))
        return encoded

    def of(self, labels: Labels) -> bytes:
        return b"".join([self[pair] for pair in labels])


def _series_v1(one: Series, time_ms: int, labels: _Labels) -> bytes:
    message = labels.of(one.labels)
    if one.histogram is None:
        message += delimited(2, _sample(one.value, time_ms))
    if one.exemplar:
        message += delimited(3, labels.of(one.exemplar.labels) + _at(one.exemplar))
    if one.histogram is not None:
        message += delimited(4, histogram_message(one.histogram, time_ms, 0))
    return message


class _Symbols(dict[str, int]):
    """Gives each text its number; the empty one has 0."""

    def __init__(self) -> None:
        super().__init__({"": 0})
        self._pairs = _References(self)

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number

    def references(self, labels: Labels) -> bytes:
        return delimited(1, b"".join([self._pairs[pair] for pair in labels]))


class _References(dict[tuple[str, str], bytes]):
    """Each distinct pair of name and value as references into the symbols."""

    def __init__(self, symbols: _Symbols) -> None:
        super().__init__()
        self._symbols = symbols

    def __missing__(self, pair: tuple[str, str]) -> bytes:
        name, value = pair
        written = self[pair] = varint(self._symbols[name]) + varint(self._symbols[value])
        return written


def _series_v2(one: Series, time_ms: int, symbols: _Symbols) -> bytes:
    message = symbols.references(one.labels)
    if one.histogram is None:
        start = varint_field(3, one.start_ms) if one.start_ms else b""
        message += delimited(2, _sample(one.value, time_ms) + start)
    else:
        message += delimited(3, histogram_message(one.histogram, time_ms, one.start_ms))
    if one.exemplar:
        message += delimited(4, symbols.references(one.exemplar.labels) + _at(one.exemplar))
    unit = symbols[UNIT_WORDS.get(one.unit, "") if one.unit != "1" else ""]
    return message + delimited(5, varint_field(1, _TYPES[one.kind]) + (varint_field(4, unit) if unit else b""))


def _sample(value: float, time_ms: int) -> bytes:
    return double(1, value) + varint_field(2, time_ms)


def _at(exemplar: Exemplar) -> bytes:
    return double(2, exemplar.value) + varint_field(3, exemplar.time_ms)


def sample_count(series: Iterable[Series]) -> int:
    """Count the samples, not the histograms."""
    return sum(one.histogram is None for one in series)
