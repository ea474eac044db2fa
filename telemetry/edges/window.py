"""A span of time that is asked for, and the segments that cover it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["SPANS_S", "Segment", "Window", "cover"]

SPANS_S = (60, 600, 3600)
"""How long segments are, the finest first; each is a multiple of the one before."""

Segment = tuple[int, int]
"""A segment's span and start, in seconds."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_s` to `end_s`, seconds since 1970."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s

    def aligned(self, kept_since_s: Mapping[int, int]) -> "Window":
        """Widen it to whole segments of what is kept there: minutes, or longer ones where minutes are gone.

        `kept_since_s`: by span, from when on its segments are kept.
        """
        start = self.start_s // _span_at(self.start_s, kept_since_s) * _span_at(self.start_s, kept_since_s)
        last = _span_at(self.end_s - 1, kept_since_s)
        return Window(start, -(-self.end_s // last) * last)


def _span_at(time_s: float, kept_since_s: Mapping[int, int]) -> int:
    """Give the finest span that is kept of that time, else the coarsest."""
    return next((span for span in SPANS_S if time_s >= kept_since_s.get(span, 0)), SPANS_S[-1])


def cover(window: Window, kept_since_s: Mapping[int, int]) -> Iterator[Segment]:
    """Yield the fewest segments that make up an aligned window, in order."""
    at = int(window.start_s)
    while at < window.end_s:
        fits = (span for span in reversed(SPANS_S) if at % span == 0 and at + span <= window.end_s)
        span = max(next(fits, SPANS_S[0]), _span_at(at, kept_since_s))
        yield span, at
        at += span
