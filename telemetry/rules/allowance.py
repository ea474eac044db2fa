"""How many rows may go: a bucket of tokens that fills evenly."""

import threading
from collections.abc import Callable

__all__ = ["Allowance"]


class Allowance:
    """Lets `rows_per_second` go on average, `burst` at once after a pause. For any number of threads.

    `clock_ns` gives nanoseconds and never goes back. Full at the start.
    """

    def __init__(self, rows_per_second: float, burst: int, clock_ns: Callable[[], int]) -> None:
        self._per_ns = rows_per_second / 1e9
        self._burst = float(burst)
        self._clock_ns = clock_ns
        self._tokens = self._burst
        self._filled_ns = clock_ns()
        self._lock = threading.Lock()

    def take(self, wanted: int) -> int:
        """Give how many of the rows wanted may go now."""
        with self._lock:
            now_ns = self._clock_ns()
            self._tokens = min(self._burst, self._tokens + (now_ns - self._filled_ns) * self._per_ns)
            self._filled_ns = now_ns
            granted = min(wanted, int(self._tokens))
            self._tokens -= granted
            return granted
