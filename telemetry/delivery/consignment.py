"""One batch on its way to one sink: what is left of it."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from telemetry.batch import Batch

__all__ = ["Consignment", "Refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows that will never be delivered, each with why; `counted_as` is the reason if they can't be kept."""

    batch: Batch
    reasons: Sequence[str]
    counted_as: str = "rejected"


@dataclass(slots=True)
class Consignment:
    """A batch as the journal gave it, and which of its rows have still to find their fate.

    `left`: pieces to offer, in order; `refused`: pieces on their way to the dead letters. Rows in neither are settled
    and counted, so that work on it may stop at any await and go on later.
    """

    offset: int
    rows: int
    left: deque[Batch]
    refused: deque[Refusal] = field(default_factory=deque)
    chosen: bool = False
    """Whether the rules have been asked."""
    disowned: bool = False
    """Whether another goes on with it: what comes of this one counts no more."""

    @classmethod
    def of(cls, offset: int, batch: Batch) -> "Consignment":
        """Give what is to be done about a batch that was just read."""
        return cls(offset, len(batch.rows), deque([batch]))

    @property
    def done(self) -> bool:
        """Whether every row is settled."""
        return self.chosen and not self.left and not self.refused

    @property
    def unsettled_rows(self) -> int:
        """Rows that have still to find their fate."""
        return sum(len(one.rows) for one in self.left) + sum(len(one.batch.rows) for one in self.refused)

    @property
    def settled_rows(self) -> int:
        """Rows that were counted as something."""
        return self.rows - self.unsettled_rows

    def disown(self) -> "Consignment":
        """Part with whoever works on it and won't end; gives what the next goes on with."""
        self.disowned = True
        return replace(self, left=deque(self.left), refused=deque(self.refused), disowned=False)

    def put_back(self, parts: Iterable[Batch]) -> None:
        """Take these in place of the piece at the front; empty ones vanish."""
        self.left.popleft()
        self.left.extendleft(reversed([part for part in parts if len(part.rows)]))
