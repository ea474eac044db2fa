"""Which rows a handler gets: Mixer's rules."""

from dataclasses import dataclass
from typing import Protocol

from telemetry.batch import Batch

__all__ = ["Select", "Selected", "everything"]


@dataclass(frozen=True, slots=True)
class Selected:
    """What is left of a batch for one handler (perhaps no rows), and how many rows were left out, and why."""

    batch: Batch
    filtered: int = 0
    sampled_out: int = 0


class Select(Protocol):
    """Chooses the rows of a batch that a handler gets. Pure in the batch but for rate limits; called in any thread."""

    def __call__(self, batch: Batch) -> Selected:
        """Give the rows that some rule of the handler matches and that its sampling keeps."""


def everything(batch: Batch) -> Selected:
    """Choose every row: what a handler gets that no rule stands before."""
    return Selected(batch)
