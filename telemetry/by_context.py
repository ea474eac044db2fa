"""What is known of the rows of one context.key without looking at them."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["ByContext", "Slots"]

Slots = np.ndarray[tuple[int], np.dtype[np.unsignedinteger]]


@dataclass(frozen=True, slots=True, eq=False)
class ByContext:
    """Which columns follow from context.key: where two rows' keys are equal, so are their values in these.

    `slots[key]` is what the key is called beyond its batch: in batches of one `origin`, rows of one slot agree in these
    columns, too. Whoever knows a slot of an origin need not look at its values again.
    """

    columns: frozenset[str]
    origin: Hashable
    slots: Slots

    def without(self, columns: Collection[str]) -> "ByContext":
        """Give it without these columns: of their rows nothing is known any more."""
        return replace(self, columns=self.columns.difference(columns)) if columns else self
