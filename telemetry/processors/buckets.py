"""Which bucket of a histogram a time belongs to."""

import numpy as np
import numpy.typing as npt

__all__ = ["Bounds"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_NS_PER_MS = 1e6
# A float's exponent and the first six bits of its mantissa: cells of 1.6 %, from 1 ns to 2⁶³.
_SHIFT, _CELLS = 46, 64 * 64
_FIRST = 1023 << 6


class Bounds:
    """Upper bounds of a histogram's buckets, in ms: ascending, none as near as 4 % to the next."""

    def __init__(self, bounds_ms: Floats) -> None:
        self._ns = np.append(np.round(bounds_ms * _NS_PER_MS), np.inf)
        lower_ns = ((np.arange(_CELLS, dtype=np.int64) + _FIRST) << _SHIFT).view(np.float64)
        self._below = np.searchsorted(self._ns, lower_ns)

    def bucket_of(self, times_ns: Floats) -> Ints:
        """Give each time's bucket: as many as there are bounds below it, as Prometheus' `le` says."""
        cells = times_ns.view(np.int64) >> _SHIFT
        cells -= _FIRST
        np.maximum(cells, 0, out=cells)
        # All of a cell has the same bounds below it, but for one that stands in it.
        buckets: Ints = self._below[cells]
        buckets += times_ns > self._ns[buckets]
        return buckets
