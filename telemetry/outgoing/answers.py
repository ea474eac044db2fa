"""What a back end says of itself, made fit for our messages and our patience."""

from email.utils import parsedate_to_datetime

from telemetry.printable import printable

__all__ = ["LONGEST_PAUSE_S", "retry_after_s", "shown"]

_LONGEST_SHOWN = 300
LONGEST_PAUSE_S = 3600.0
"""No back end may ask for a longer one."""


def shown(text: str) -> str:
    """Give what a stranger wrote so that it can stand in a message: short, and without what a terminal obeys."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    return printable(cut)


def retry_after_s(header: str, now_s: float) -> float | None:
    """Read Retry-After: seconds or a date, an hour at most; None where it is neither."""
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), LONGEST_PAUSE_S)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - now_s), LONGEST_PAUSE_S)
    except (ValueError, OverflowError):
        return None
