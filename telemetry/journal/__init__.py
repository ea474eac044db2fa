"""What stands between the pipeline and the sinks: every batch, kept until each handler has it."""

from collections.abc import Collection, Sequence
from typing import Protocol

from telemetry.batch import Batch, Template

__all__ = ["Journal"]


class Journal(Protocol):
    """One log, one cursor per handler. Offsets grow; a cursor sees only the batches of its templates."""

    def attach(self, cursor: str, templates: Collection[Template]) -> int:
        """Begin or resume a cursor; gives the offset to read after."""

    def detach(self, cursor: str) -> None:
        """End a cursor for good."""

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches: safe when it returns, as far as this journal can promise. Gives the last offset."""

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches beyond `after`; gives at most `limit` of them with their offsets, at least one."""

    async def commit(self, cursor: str, offset: int) -> None:
        """Note that the cursor's handler is done with everything up to `offset`."""

    def offered_rows(self, cursor: str) -> int:
        """Rows that the cursor's handler was offered so far."""

    def pending_rows(self, cursor: str) -> int:
        """Rows that wait for it, counted from what is kept."""

    def lost_rows(self, cursor: str) -> int:
        """Rows it was offered and that are gone before it took them."""
