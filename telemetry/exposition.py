"""How Prometheus' two text formats, 0.0.4 and OpenMetrics 1.0, write names, labels, numbers and lines."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import cycle

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray
from prometheus_client.utils import floatToGoString

__all__ = [
    "LABEL_NAME",
    "METRIC_NAME",
    "OPENMETRICS_TYPE",
    "TEXT_TYPE",
    "UNIT_WORDS",
    "accepts_gzip",
    "bound_text",
    "escape",
    "escaped",
    "exemplar_text",
    "family_head",
    "histogram_lines",
    "le_cells",
    "number_texts",
    "prefers_openmetrics",
    "scalar_lines",
]

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)

EXEMPLAR_CHARACTERS = 128
"""OpenMetrics: names and values of an exemplar's label set together have at most as many characters."""

UNIT_WORDS = {
    "ns": "nanoseconds",
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "By": "bytes",
    "1": "ratio",
}
_NOT_FINITE = {"nan": b"NaN", "inf": b"+Inf", "-inf": b"-Inf"}


def escape(value: str) -> str:
    """Write a label value so that it stays one value on one line. The formats escape no other character."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def escaped(column: pl.Expr) -> pl.Expr:
    """Do for a column of strings what `escape` does for one."""
    return (
        column.str.replace_all("\\", r"\\", literal=True)
        .str.replace_all('"', r"\"", literal=True)
        .str.replace_all("\n", r"\n", literal=True)
    )


def bound_text(bound: float, *, openmetrics: bool) -> str:
    """Write an upper bound as `le`: 0.5, 1, 3600000, +Inf as Envoy does, or 1.0, 3.6e+06 as OpenMetrics demands."""
    if openmetrics:
        return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
    return number_texts(np.array([bound]))[0].decode()


@lru_cache(maxsize=256)
def le_cells(bounds: tuple[float, ...], *, openmetrics: bool) -> tuple[bytes, ...]:
    """Give what stands between a histogram's labels and its values: one for each bound and one for +Inf."""
    texts = (bound_text(bound, openmetrics=openmetrics) for bound in (*bounds, math.inf))
    return tuple(b'le="%b"} ' % text.encode() for text in texts)


def _json_texts(values: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    """Let orjson print the array: some 40 ns a number, the shortest text that reads back the same."""
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def number_texts(values: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    """Write numbers: whole ones below 2**63 without point or exponent, others shortest, or NaN, +Inf, -Inf."""
    if not len(values):
        return []
    if values.dtype == np.int64:
        return _json_texts(values)
    whole = (np.abs(values) < 2.0**63) & (values == np.trunc(values))
    integers = _json_texts(np.where(whole, values, 0.0).astype(np.int64))
    if whole.all():
        return integers
    texts = _json_texts(values)
    for index in np.flatnonzero(whole).tolist():
        texts[index] = integers[index]
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        texts[index] = _NOT_FINITE[str(values[index])]
    return texts


def family_head(name: str, kind: str, *, unit: str = "", text: str = "", openmetrics: bool) -> bytes:
    """Write the lines that open a family: TYPE, UNIT (OpenMetrics, only if the name ends in it), HELP.

    `name` is the name as 0.0.4 has it. OpenMetrics takes `_total` away from a counter's, and calls a counter without
    it `unknown`. `unit` is UCUM.
    """
    if openmetrics and kind == "counter":
        kind = kind if name.endswith("_total") else "unknown"
        name = name.removesuffix("_total")
    lines = [f"# TYPE {name} {kind}"]
    word = UNIT_WORDS.get(unit, "")
    if openmetrics and word and name.endswith("_" + word):
        lines.append(f"# UNIT {name} {word}")
    if text:
        lines.append(f"# HELP {name} {escape(text) if openmetrics else _help_0_0_4(text)}")
    return "".join(line + "\n" for line in lines).encode()


def _help_0_0_4(text: str) -> str:
    """Escape help for 0.0.4, where a quote stands for itself."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def exemplar_text(trace_id: str, span_id: str, value: float, time_ns: int) -> bytes:
    """Write what follows a sample's value: ` # {trace_id="…",span_id="…"} value time`, or nothing.

    Empty ids are left out; nothing is written when no id is left, when the label set would be longer than the
    standard allows, or when the value is not finite. `time_ns`: nanoseconds since 1970; 0 for unknown.
    """
    labels = {name: text for name, text in (("trace_id", trace_id), ("span_id", span_id)) if text}
    if not labels or sum(map(len, (*labels, *labels.values()))) > EXEMPLAR_CHARACTERS or not math.isfinite(value):
        return b""
    inside = ",".join(f'{name}="{escape(text)}"' for name, text in labels.items())
    number = number_texts(np.array([value]))[0].decode()
    time = f" {time_ns // 10**9}.{time_ns // 10**6 % 1000:03d}" if time_ns > 0 else ""
    return f" # {{{inside}}} {number}{time}".encode()


def scalar_lines(name: str, labels: Sequence[bytes], numbers: Sequence[bytes]) -> bytes:
    """Write one line for each series of a counter or gauge; `numbers` may end in an exemplar."""
    head = name.encode()
    return b"".join([b"%b{%b} %b\n" % (head, *pair) for pair in zip(labels, numbers, strict=True)])


def histogram_lines(
    name: str, labels: Sequence[bytes], cells: Sequence[bytes], buckets: Sequence[bytes], sums: Sequence[bytes]
) -> bytes:
    """Write each series' cumulative buckets, its sum and its count.

    `cells` are those of `le_cells`, `buckets` one number for each cell of each series, series by series; they may
    end in an exemplar. The count is read off the last bucket (up to a blank), so the two can never differ.
    """
    head, width = name.encode(), len(cells)
    lines = [b"%b%b\n" % pair for pair in zip(cycle(cells), buckets, strict=False)]
    return b"".join(
        _histogram_series(head, text, lines[at : at + width], total, buckets[at + width - 1])
        for at, text, total in zip(range(0, len(lines), width), labels, sums, strict=True)
    )


def _histogram_series(name: bytes, labels: bytes, lines: list[bytes], total: bytes, last: bytes) -> bytes:
    """Join one series' lines, all of which begin alike: the labels' kilobyte is written by memcpy alone."""
    head = b"%b_bucket{%b" % (name, labels + b"," if labels else b"")
    return b"%b%b%b_sum{%b} %b\n%b_count{%b} %b\n" % (
        head,
        head.join(lines),
        name,
        labels,
        total,
        name,
        labels,
        last.split(b" ", 1)[0],
    )


def _preferences(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Take an Accept header apart: value, parameters, weight. A weight that is no number counts as 0."""
    for item in header.lower().split(","):
        value, *rest = (part.strip() for part in item.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): text.strip(' "') for key, _, text in pairs}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        yield value, parameters, weight


def prefers_openmetrics(accept: str) -> bool:
    """Choose by the Accept header: OpenMetrics 1.0 if named, unless plain text 0.0.4 has more weight."""
    openmetrics = text = 0.0
    for media_type, parameters, weight in _preferences(accept):
        if media_type == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, weight)
        if media_type == "text/plain" and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Choose by the Accept-Encoding header: gzip when it, or else `*`, has weight."""
    weights = {coding: weight for coding, _, weight in _preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0
