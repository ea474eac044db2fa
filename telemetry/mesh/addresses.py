"""Which workload answers on an address: learned from nodes as they connect."""

from collections import OrderedDict
from itertools import count

from telemetry.mesh.workload import Workload

__all__ = ["INBOUND_BIND", "LOOPBACK", "UNKNOWN", "Addresses"]


# Numbers that stand for addresses with a meaning of their own; the registry's begin after them.
UNKNOWN, LOOPBACK, INBOUND_BIND = 0, 1, 2
_MEANINGS = {"127.0.0.1": LOOPBACK, "::1": LOOPBACK, "127.0.0.6": INBOUND_BIND, "::6": INBOUND_BIND}


class Addresses:
    """Address -> workload, the latest word winning; bounded, the address longest unmentioned goes first.

    The receiver's loop learns while the pipeline's thread looks up: each call is one step of a dict, so no lock.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._known: OrderedDict[str, tuple[int, Workload]] = OrderedDict()
        self._numbers = count(max(_MEANINGS.values()) + 1)

    def learn(self, address: str, workload: Workload) -> None:
        """Remember that `workload` answers on `address`."""
        known = self._known.get(address)
        if known is None or known[1] != workload:
            self._known[address] = (next(self._numbers), workload)
        self._known.move_to_end(address)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def find(self, address: str | None) -> Workload | None:
        """Give the workload that answers there, None when nobody said."""
        known = self._known.get(address) if address else None
        return known[1] if known else None

    def number(self, address: str) -> int:
        """Give a number that changes when another workload takes the address; UNKNOWN for those without meaning."""
        known = self._known.get(address)
        return known[0] if known else _MEANINGS.get(address, UNKNOWN)

    def __len__(self) -> int:
        return len(self._known)
