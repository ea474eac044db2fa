"""Text that stays inside its place in a line, whatever it holds.

Line protocol can't escape a backslash or a line break in names and tags. They are percent-encoded there, with the
other controls and the percent sign itself, so that each text can be had back.
"""

import re

import polars as pl

__all__ = ["key", "measurement", "quoted", "tag_values"]

_UNSAFE = r"[\x00-\x1f\x7f%\\]"
_ANY = r"[\x00-\x1f\x7f%\\,= ]"
_CODES = [chr(code) for code in (*range(32), 0x7F, ord("%"), ord("\\"))]
_ENCODED = [f"%{ord(char):02X}" for char in _CODES]


def _percent(text: str) -> str:
    return re.sub(_UNSAFE, lambda match: f"%{ord(match[0]):02X}", text)


def measurement(text: str) -> str:
    """Give a measurement's name. A line that begins with # would be a comment, an underscore is InfluxDB's own."""
    encoded = _percent(text)
    if encoded[:1] in ("#", "_", ""):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}" if encoded else "%"
    return encoded.replace(",", r"\,").replace(" ", r"\ ")


def key(text: str) -> str:
    """Give the name of a tag or field. `time` is InfluxDB's own, and what begins with an underscore."""
    encoded = _percent(text)
    if encoded == "time" or encoded[:1] in ("_", ""):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}" if encoded else "%"
    return encoded.replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")


def tag_values(texts: pl.Series) -> pl.Series:
    """Give values of a tag as they stand in a line; null where there is none: it has no empty ones."""
    if texts.null_count() == len(texts):
        return texts
    shortest = texts.str.len_bytes().min()
    if shortest == 0:
        texts = texts.set(texts == "", None)
    if not texts.str.contains(_ANY).any():
        return texts
    return texts.str.replace_many([*_CODES, ",", "=", " "], [*_ENCODED, r"\,", r"\=", r"\ "])


def quoted(texts: pl.Expr) -> pl.Expr:
    """Give texts as values of a string field."""
    escaped = texts.str.replace_many(["\\", '"'], ["\\\\", '\\"'])
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))
