"""What delivery asks of dead letters: somewhere to put rows that no sink takes."""

from collections.abc import Sequence
from typing import Protocol

from telemetry.batch import Batch

__all__ = ["Keep", "Letters"]


class Keep(Protocol):
    """Where rows go that no sink takes: they are safe when it returns. Blocks; called in a thread."""

    def __call__(self, batch: Batch, reasons: Sequence[str]) -> None:
        """Keep the rows, each with its reason. Raises OSError when it can't."""


class Letters(Keep, Protocol):
    """A handler's dead letters, and where they lie."""

    @property
    def place(self) -> str:
        """The folder, for people."""

    def measure(self) -> None:
        """Bring their gauges up to date."""
