"""Read CEL's literals: numbers with their ranges, strings with their escapes."""

import re

from telemetry.expressions.kinds import BOOL, DOUBLE, INT, NULL, STRING, UINT, Kind

__all__ = ["value_of"]

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|[\s\S])")
_SIMPLE = dict(zip("abfnrtv\\?\"'`", "\a\b\f\n\r\t\v\\?\"'`", strict=True))


def value_of(token: str, text: str) -> tuple[Kind, object]:
    """Give kind and value of a literal; `token` is its name in CEL's grammar.

    Raises ValueError, with the reason, for an unknown escape, a number out of range, bytes.
    """
    match token:
        case "INT_LIT":
            return INT, _within(_integer(text), -(2**63), 2**63 - 1, "int")
        case "UINT_LIT":
            return UINT, _within(_integer(text[:-1]), 0, 2**64 - 1, "uint")
        case "FLOAT_LIT":
            return DOUBLE, float(text)
        case "BOOL_LIT":
            return BOOL, text == "true"
        case "NULL_LIT":
            return NULL, None
        case "STRING_LIT" | "MLSTRING_LIT":
            return STRING, _string(text)
        case _:
            raise ValueError("bytes are not supported: no attribute holds them")


def _integer(text: str) -> int:
    return int(text, 16 if "x" in text else 10)


def _within(number: int, low: int, high: int, kind: str) -> int:
    if not low <= number <= high:
        raise ValueError(f"{number} is out of range for {kind}, which ends at {low if number < 0 else high}")
    return number


def _string(text: str) -> str:
    raw = text[0] in "rR"
    body = text[1:] if raw else text
    quotes = 3 if body[:3] in ('"""', "'''") and len(body) >= 6 else 1
    inner = body[quotes:-quotes]
    return inner if raw else _ESCAPE.sub(_unescaped, inner)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code in _SIMPLE:
        return _SIMPLE[code]
    if code[0].isdigit() and len(code) == 3:
        return chr(int(code, 8))
    if len(code) == 1:
        raise ValueError(f'\\{code} is no escape of CEL; write \\\\{code}, or a raw string r"…"')
    point = int(code[1:], 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise ValueError(f"\\{code} is no character of Unicode")
    return chr(point)
