"""Points in time as people write them: RFC 3339, `now`, or how long ago."""

import re
from datetime import datetime

__all__ = ["moment_ns"]

_AGO = re.compile(r"-(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)", re.ASCII)
_UNIT_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


def moment_ns(text: str, now_ns: int) -> int:
    """Read `2026-11-21T12:00:00Z`, `now` or `-15m`; gives nanoseconds since 1970. Raises ValueError, which says how."""
    if text == "now":
        return now_ns
    if match := _AGO.fullmatch(text):
        return now_ns - round(float(match[1]) * _UNIT_NS[match[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2026-11-21T12:00:00Z, or how long ago, such as -15m")
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000
