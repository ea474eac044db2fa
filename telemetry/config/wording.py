"""What pydantic found wrong, in plain words with an example of what is right."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

__all__ = ["hint_for_key", "words"]

_OURS = frozenset(
    {
        "duration",
        "size",
        "address",
        "url",
        "file",
        "secret",
        "exposed",
        "name",
        "twice",
        "unknown_adapter",
        "broken_adapter",
        "expression",
    }
)
"""Errors that our own validators raise, worded as they are to be read."""

_KINDS: Mapping[str, str] = {
    "extra_forbidden": "is not a key that is known here",
    "missing": "is missing",
    "bool": "must be true or false",
    "int": "must be a whole number, such as 1000",
    "float": "must be a number, such as 0.5",
    "string": "must be text; put it in quotes if it looks like a number",
    "tuple": "must be a list, such as [a, b]",
    "list": "must be a list, such as [a, b]",
    "set": "must be a list, such as [a, b]",
    "frozen": "must be a list, such as [a, b]",
    "mapping": "must hold keys and values, such as key: value",
    "dict": "must hold keys and values, such as key: value",
    "model": "must hold keys and values, such as key: value",
    "time": "must be a duration in seconds, or in ISO 8601 such as PT15M",
    "url": "must be a URL, such as https://host:443/path",
    "path": "must be the name of a file",
}
_BOUNDS: Mapping[str, str] = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
}
_SHOWN = 60


def words(error: ErrorDetails, written: object) -> str:
    """Say what is wrong with what is written. What our own checks refuse is not shown: it may be a secret."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _OURS:
        return error["msg"]
    if kind == "value_error":
        return str(context["error"])
    if kind in {"extra_forbidden", "missing"}:
        return _KINDS[kind]
    if kind in _BOUNDS:
        return _BOUNDS[kind].format_map(_bounds(context, written)) + _not(written)
    return (_KINDS.get(kind.split("_")[0]) or error["msg"]) + _not(written)


def _bounds(context: Mapping[str, Any], written: object) -> Mapping[str, Any]:
    """Write bounds as the value is written: of all that comes as text, only durations have bounds that are floats."""
    duration = isinstance(written, str)
    bounds = {
        key: f"{bound:.12g}s" if duration and isinstance(bound, float) else bound for key, bound in context.items()
    }
    return {**bounds, "expected": str(bounds.get("expected", "")).replace("'", "")}


def _not(value: object) -> str:
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if value is None:
        return ", not null"
    if not isinstance(value, str | int | float):
        return ""
    if isinstance(value, str) and "://" in value and re.search("[@?]", value):
        return ""  # a password or token may be in it
    shown = repr(value)
    return f", not {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"


def hint_for_key(key: str, known: Sequence[str]) -> str:
    """Give the key that was probably meant, else all that there are."""
    close = difflib.get_close_matches(key, known, 1)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(known)}" if known else ""
