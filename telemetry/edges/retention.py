"""How long edges are kept: by age and by bytes, the finest first."""

from dataclasses import dataclass

from telemetry.edges.file import EdgeFile
from telemetry.edges.window import SPANS_S

__all__ = ["Retention", "prune"]

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Retention:
    """How long minutes, ten minutes and hours are kept; the file grows to `max_bytes` at most."""

    minutes_s: float = 2 * 86400.0
    ten_minutes_s: float = 14 * 86400.0
    hours_s: float = 92 * 86400.0
    max_bytes: int = 1 << 30

    def by_span(self) -> dict[int, float]:
        """Give the times by span."""
        return dict(zip(SPANS_S, (self.minutes_s, self.ten_minutes_s, self.hours_s), strict=True))


def prune(file: EdgeFile, retention: Retention, now_s: float) -> dict[str, int]:
    """Delete what is too old, then the oldest of the finest until the rest fits; gives rows deleted by reason.

    Cuts are at whole hours.
    """
    aged = sum(file.prune(span, _hour(now_s - age_s)) for span, age_s in retention.by_span().items())
    full = 0
    while file.size_bytes > retention.max_bytes and (went := _prune_oldest_hour(file, now_s)):
        full += went
    if aged or full:
        file.shrink()
    return {"expired": aged, "full": full}


def _hour(time_s: float) -> int:
    return int(time_s // _HOUR_S) * _HOUR_S


def _prune_oldest_hour(file: EdgeFile, now_s: float) -> int:
    """Delete an hour of the finest span that has one to spare: not the current one."""
    for span in SPANS_S:
        oldest = file.oldest(span)
        if oldest is not None and _hour(oldest) < _hour(now_s):
            return file.prune(span, _hour(oldest) + _HOUR_S)
    return 0
