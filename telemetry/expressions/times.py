"""Durations and timestamps: their literals, and their parts."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl

from telemetry.expressions.kinds import DURATION_KIND, INT, STRING, TIMESTAMP_KIND
from telemetry.expressions.overloads import Overload

__all__ = ["overloads"]

_UNITS_NS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_Part = Callable[[pl.Expr], pl.Expr]


def overloads() -> Iterator[Overload]:
    """Give duration(), timestamp() and the getters."""
    text = {"takes": (STRING,), "literals": frozenset((0,)), "method": False}
    yield Overload("duration", gives=DURATION_KIND, build=_duration_ns, **text)  # type: ignore[arg-type]
    yield Overload("timestamp", gives=TIMESTAMP_KIND, build=_timestamp_ns, **text)  # type: ignore[arg-type]
    for name, part in _parts():
        yield Overload(name, (TIMESTAMP_KIND,), INT, part, method=True)
    for name, unit in (("getHours", "h"), ("getMinutes", "m"), ("getSeconds", "s")):
        yield Overload(name, (DURATION_KIND,), INT, _whole(_UNITS_NS[unit]), method=True)
    yield Overload("getMilliseconds", (DURATION_KIND,), INT, _milliseconds, method=True)


def _parts() -> Iterator[tuple[str, _Part]]:
    def count(of: _Part, less: int = 0) -> _Part:
        return lambda a: of(a).cast(pl.Int64) - less

    yield "getFullYear", count(lambda a: a.dt.year())
    yield "getMonth", count(lambda a: a.dt.month(), 1)
    yield "getDate", count(lambda a: a.dt.day())
    yield "getDayOfMonth", count(lambda a: a.dt.day(), 1)
    yield "getDayOfWeek", lambda a: a.dt.weekday().cast(pl.Int64) % 7
    yield "getDayOfYear", count(lambda a: a.dt.ordinal_day(), 1)
    yield "getMilliseconds", count(lambda a: a.dt.millisecond())
    yield "getHours", count(lambda a: a.dt.hour())
    yield "getMinutes", count(lambda a: a.dt.minute())
    yield "getSeconds", count(lambda a: a.dt.second())


def _whole(unit_ns: int) -> _Part:
    return lambda a: a.to_physical().abs().floordiv(unit_ns) * a.to_physical().sign()


def _milliseconds(a: pl.Expr) -> pl.Expr:
    # The part below the second, with the duration's sign: the others are the whole duration in their unit.
    return (a.to_physical().abs() % _UNITS_NS["s"]).floordiv(_UNITS_NS["ms"]) * a.to_physical().sign()


def _within(ns: int, text: str) -> int:
    if abs(ns) >= 2**63:
        raise ValueError(f"{text} is out of range: times are nanoseconds in 64 bits, some 292 years")
    return ns


def _duration_ns(text: str) -> int:
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    if unsigned == "0":
        return 0
    if not unsigned or not re.fullmatch(f"(?:{_PART.pattern})+", unsigned):
        raise ValueError(f'"{text}" is no duration; write it like "1.5s", "250ms" or "1h30m"')
    total = sum(_exact(number, _UNITS_NS[unit]) for number, unit in _PART.findall(unsigned))
    return _within(-total if text[0] == "-" else total, text)


def _exact(number: str, unit_ns: int) -> int:
    whole, _, fraction = number.partition(".")
    return int(whole or 0) * unit_ns + int(fraction or 0) * unit_ns // int(f"1{'0' * len(fraction)}")


def _timestamp_ns(text: str) -> int:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no timestamp; write it like "2025-01-31T12:00:00Z"')
    seconds, fraction, zone = match.groups()
    moment = datetime.fromisoformat(seconds + zone)  # whose ValueError says which part is out of range
    return _within(int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0")), text)
