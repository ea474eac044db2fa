"""The last minutes of every Envoy, in a ring of intervals."""

import numpy as np
import numpy.typing as npt

__all__ = ["Window"]

Floats = npt.NDArray[np.float64]


class Window:
    """Sums of `fields` numbers per Envoy over the last `intervals` intervals of `interval_ns` each."""

    def __init__(self, *, intervals: int, interval_ns: int, fields: int) -> None:
        self._interval_ns = interval_ns
        self._ring = np.zeros((intervals, 0, fields))
        self._at = 0

    def add(self, now_ns: int, increments: Floats) -> None:
        """Add what every Envoy has more, a row each; the oldest intervals fall out."""
        self._turn(now_ns // self._interval_ns)
        self._grow(len(increments))
        self._ring[self._at % len(self._ring), : len(increments)] += increments

    def sums(self) -> Floats:
        """Give a row for each Envoy."""
        sums: Floats = self._ring.sum(axis=0)
        return sums

    def forget(self, code: int) -> None:
        """Let the number be another Envoy's."""
        if code < self._ring.shape[1]:
            self._ring[:, code] = 0

    def _turn(self, at: int) -> None:
        for passed in range(max(self._at + 1, at - len(self._ring) + 1), at + 1):
            self._ring[passed % len(self._ring)] = 0
        self._at = max(self._at, at)

    def _grow(self, envoys: int) -> None:
        have = self._ring.shape[1]
        if envoys > have:
            room = np.zeros((len(self._ring), max(envoys, 2 * have) - have, self._ring.shape[2]))
            self._ring = np.concatenate([self._ring, room], axis=1)
