"""Which workload answers on an address: as orchestrators tell, as nodes say, as files state."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from typing import Protocol

from telemetry.mesh.workload import Workload

__all__ = ["INBOUND_BIND", "LOOPBACK", "UNKNOWN", "Addresses", "Source"]


# Numbers that stand for addresses with a meaning of their own; the registry's begin after them.
UNKNOWN, LOOPBACK, INBOUND_BIND = 0, 1, 2
_MEANINGS = {"127.0.0.1": LOOPBACK, "::1": LOOPBACK, "127.0.0.6": INBOUND_BIND, "::6": INBOUND_BIND}


class Source(Protocol):
    """Someone else who knows workloads by address: Kubernetes, the service catalog."""

    def workload_of_address(self, address: str) -> Workload | None:
        """Give the workload that answers there now. Called from any thread, for any text; keeps its own bounds."""


class Addresses:
    """Address -> workload. Of what nodes say, the latest word wins; bounded, the longest unmentioned goes first.

    `before`: sources that know better than nodes, which never say goodbye (Kubernetes). `after`: those asked when no
    node said anything (the catalog). Loopback addresses are nobody's but a node's.

    The receiver's loop learns while the pipeline's thread looks up. No lock: an answer is one object, taken whole.
    """

    def __init__(self, limit: int = 100_000, *, before: Sequence[Source] = (), after: Sequence[Source] = ()) -> None:
        self._limit = limit
        self._before = tuple(before)
        self._after = tuple(after)
        self._known: OrderedDict[str, tuple[int, Workload]] = OrderedDict()
        self._numbers = count(max(_MEANINGS.values()) + 1)
        self._of_workload: dict[Workload, int] = {}
        self._of_object: dict[int, tuple[Workload, int]] = {}

    def learn(self, address: str, workload: Workload) -> None:
        """Remember that `workload` answers on `address`."""
        known = self._known.get(address)
        if known is None or known[1] != workload:
            self._known[address] = (next(self._numbers), workload)
        self._known.move_to_end(address)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def look_up(self, address: str) -> tuple[int, Workload | None]:
        """Give who answers there, and a number that changes when another workload takes the address.

        UNKNOWN for addresses without meaning. Those that a source gives to one workload share a number: a network of
        millions is one kind of entry.
        """
        if meaning := _MEANINGS.get(address):
            return self._known.get(address) or (meaning, None)
        if told := _first(self._before, address):
            return self._number_of(told), told
        if known := self._known.get(address):
            return known
        told = _first(self._after, address)
        return (self._number_of(told), told) if told else (UNKNOWN, None)

    def find(self, address: str | None) -> Workload | None:
        """Give the workload that answers there, None when nobody said."""
        return self.look_up(address)[1] if address else None

    def number(self, address: str) -> int:
        """Give the number of `look_up` alone."""
        return self.look_up(address)[0]

    def _number_of(self, workload: Workload) -> int:
        # Sources give the same object each time, and hashing nine strings takes longer than all the rest.
        seen = self._of_object.get(id(workload))
        if seen and seen[0] is workload:
            return seen[1]
        number = self._of_workload.get(workload)
        if number is None or len(self._of_object) >= self._limit:
            # Numbers never come back, so forgetting them all costs only that kinds of entry are resolved anew.
            if len(self._of_object) >= self._limit:
                self._of_workload.clear()
                self._of_object.clear()
            number = self._of_workload[workload] = next(self._numbers)
        self._of_object[id(workload)] = (workload, number)
        return number

    def __len__(self) -> int:
        return len(self._known)


def _first(sources: Sequence[Source], address: str) -> Workload | None:
    for source in sources:
        if told := source.workload_of_address(address):
            return told
    return None
