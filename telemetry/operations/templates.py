"""Learned operations: paths to templates by hash, many at once; only new ones are looked at one by one."""

import numpy as np
import numpy.typing as npt

from telemetry.operations.asked import Asked
from telemetry.operations.memo import Hashes, Memo, Numbers
from telemetry.operations.methods import METHODS
from telemetry.operations.names import MAX_NAME, OTHER
from telemetry.operations.segments import mix
from telemetry.operations.services import Services
from telemetry.operations.shapes import KEYS, VALUE

__all__ = ["METHOD_KEYS", "Templates", "firsts"]

_BITS = 16
_REST = "/{rest}"
_FILTER = np.uint64((1 << 20) - 1)

METHOD_KEYS: Hashes = np.array([0xA0761D6478BD642F * (2 * code + 1) % 2**64 for code in range(len(METHODS))], np.uint64)
"""By index into METHODS: what is hashed after a path in place of its method."""


class Templates:
    """Names requests by the templates of their paths, and learns these."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._memo = Memo(_BITS)
        self._collapsed: Hashes = np.zeros(0, np.uint64)
        self._filter = np.zeros(int(_FILTER) + 1, np.bool_)
        self.collapsed_total = 0

    def numbers(self, asked: Asked) -> Numbers | None:
        """Give each request's operation; None when a template has changed: `forget`, and ask again for all."""
        paths = asked.segments.walk(self._services.roots[asked.services], self._after)
        hashes = mix(paths, METHOD_KEYS[asked.methods])
        numbers, known = self._memo.get(hashes)
        if known.all():
            return numbers
        rows, places, left = firsts(hashes, ~known)
        if sum(self._learn(asked, row) for row in rows):
            return None
        found = np.array([self._name(asked, row) for row in rows], np.uint32)
        numbers[left] = found[places]
        self._memo.put(hashes[rows], found)
        return numbers

    def forget(self) -> None:
        """Forget what was found so far, not what was learned."""
        self._memo.clear()
        found = [key for at in range(len(self._services)) for key in self._services[at].tree.collapsed]
        self._collapsed = np.unique(np.array(found, np.uint64))
        self._filter[:] = False
        self._filter[self._collapsed & _FILTER] = True

    def _after(self, prefixes: Hashes, keys: Hashes, words: npt.NDArray[np.bool_]) -> Hashes:
        """Take words for values where a tree has learned that they are."""
        maybe = np.flatnonzero(self._filter[prefixes & _FILTER] & words)
        if not maybe.size:
            return keys
        some = prefixes[maybe]
        at = np.minimum(np.searchsorted(self._collapsed, some), len(self._collapsed) - 1)
        keys[maybe[self._collapsed[at] == some]] = KEYS[VALUE]
        return keys

    def _learn(self, asked: Asked, row: int) -> bool:
        tree = self._services[asked.services[row]].tree
        changed = tree.learn(*asked.segments.shown(row))
        self.collapsed_total += changed
        return changed

    def _name(self, asked: Asked, row: int) -> int:
        service = self._services[asked.services[row]]
        template = service.tree.template(asked.segments.shown(row)[0])
        if template is None:
            return OTHER
        return service.grants.grant(_named(METHODS[asked.methods[row]], template))


def firsts(
    hashes: Hashes, wanted: npt.NDArray[np.bool_]
) -> tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the distinct ones among the wanted hashes.

    Gives the first row of each, in the order of the rows; for each wanted row its index in that; the wanted rows.
    """
    left = np.flatnonzero(wanted)
    _, first, inverse = np.unique(hashes[left], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return left[first[order]].tolist(), rank[inverse], left


def _named(method: str, template: list[str]) -> str:
    name = f"{method} /{'/'.join(template)}"
    if len(name) <= MAX_NAME:
        return name
    # Cut between segments, so that no half of a value or word is left.
    return name[: name.rindex("/", 0, MAX_NAME - len(_REST) + 1)] + _REST
