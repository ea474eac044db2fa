"""Which workloads' Envoys have told of anything lately."""

import numpy as np
import numpy.typing as npt

from telemetry.processors.hops.hashes import Hashes

__all__ = ["Reporters"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Reporters:
    """When each was last heard of, by a hash; of more than `limit` the ones last heard of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._whom = np.empty(0, np.uint64)
        self._last_ns = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._whom)

    def note(self, whom: Hashes, now_ns: int) -> None:
        """Remember that these (which may repeat) have told of something."""
        at, known = self._places(whom)
        self._last_ns[at[known]] = now_ns
        if not known.all():
            self._learn(np.unique(whom[~known]), now_ns)

    def since(self, whom: Hashes, late_ns: int) -> Bools:
        """Tell of each whether it was heard of later than that."""
        at, heard = self._places(whom)
        heard[heard] = self._last_ns[at[heard]] > late_ns
        return heard

    def _places(self, whom: Hashes) -> tuple[Ints, Bools]:
        at = np.searchsorted(self._whom, whom)
        known = at < len(self._whom)
        known[known] = self._whom[at[known]] == whom[known]
        return at, known

    def _learn(self, new: Hashes, now_ns: int) -> None:
        whom = np.concatenate([self._whom, new])
        last_ns = np.concatenate([self._last_ns, np.full(len(new), now_ns)])
        if len(whom) > self._limit:
            latest = np.argsort(last_ns, kind="stable")[-self._limit :]
            whom, last_ns = whom[latest], last_ns[latest]
        order = np.argsort(whom)
        self._whom, self._last_ns = whom[order], last_ns[order]
