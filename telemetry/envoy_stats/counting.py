"""How much counters have grown, whether Envoy sends totals or increases, and across its restarts."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counting", "Process"]

Floats = NDArray[np.float64]
Process = Literal["same", "unknown", "suspect", "new"]
"""Whether values are told by the process that told the last ones."""

# Envoy sends a counter from its first increment on: as a total it is not 0 then, but for server.wip_protos and two
# others, which it adds 0 to. As an increase it mostly is: the counters of starting up never move again.
_ZERO_TOTALS = 3
# So many counters must there be, or have had a value, before their not falling means anything.
_ENOUGH = 8
# An Envoy that sends totals shows a quarter of them fallen only when it is another process.
_SHARE = 4
# Increases that rise and rise are rare, but they are; totals after an operator's POST /reset_counters do nothing else.
_RISING_FLUSHES = 5


class Counting:
    """One Envoy's counters. The wire does not say whether they are totals or increases.

    `auto` judges by each flush: zeros and falling values are increases, neither are totals. It changes its mind only
    after two flushes that contradict it. In an Envoy's first flush all counts either way.
    """

    def __init__(self, configured: Literal["auto", "absolute", "delta"]) -> None:
        self._auto = configured == "auto"
        self._settled = False
        self._against = 0
        self.deltas = configured == "delta"
        self.resets_total = 0

    def increases(self, last: Floats, value: Floats, process: Process) -> Floats:
        """Give how much each has grown since `last` (NaN: it is new), which was told by the `process`, as far as known.

        A new process counts from 0. What comes by a new stream is of one if a quarter has fallen; where the process is
        suspect, being young, if any has.
        """
        had = last > 0
        known, fallen = int(had.sum()), int((had & (value < last)).sum())
        if self._auto and process == "same":
            self._judge(value, known, fallen, rises=bool((value > last).any()))
        if self.deltas:
            return value
        self.resets_total += fallen
        least = {"new": 0.0, "suspect": 1.0, "unknown": max(known / _SHARE, 1.0), "same": np.inf}[process]
        if fallen >= least:
            return value
        return np.where(np.isnan(last) | (value < last), value, value - last)

    def _judge(self, value: Floats, known: int, fallen: int, *, rises: bool) -> None:
        counters, zeros = len(value), max(int((value == 0).sum()) - _ZERO_TOTALS, 0)
        if fallen and zeros and zeros * 10 >= counters:
            self._see(deltas=True, often=2)
        elif known and counters >= _ENOUGH and zeros * 50 <= counters:
            self._see(deltas=False, often=2)
        elif self._settled and self.deltas and known >= _ENOUGH and not fallen and rises:
            self._see(deltas=False, often=_RISING_FLUSHES)
        else:
            self._against = 0
            if not self._settled:
                self.deltas = zeros > 0 and zeros * 4 >= counters

    def _see(self, *, deltas: bool, often: int) -> None:
        """Take a flush for evidence: the first settles it, later ones must come so often to overturn that."""
        if deltas == self.deltas:
            self._settled, self._against = True, 0
            return
        self._against += 1
        if not self._settled or self._against >= often:
            self._settled, self.deltas, self._against = True, deltas, 0
