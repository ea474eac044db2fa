"""How many rows a second pass, smoothed."""

import math
from dataclasses import dataclass

__all__ = ["Rate"]

_OVER_S = 30.0


@dataclass(slots=True)
class Rate:
    """An exponentially weighted mean over about half a minute, of a total that is looked at now and then."""

    per_s: float = 0.0
    _total: int = 0
    _at_ns: int | None = None

    def update(self, total: int, now_ns: int) -> None:
        """Take in where the total stands; looks less than 100 ms apart are passed over."""
        if self._at_ns is None:
            self._total, self._at_ns = total, now_ns
        elapsed_s = (now_ns - self._at_ns) / 1e9
        if elapsed_s < 0.1:
            return
        weight = 1 - math.exp(-elapsed_s / _OVER_S)
        self.per_s += weight * ((total - self._total) / elapsed_s - self.per_s)
        self._total, self._at_ns = total, now_ns
