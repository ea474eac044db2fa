"""What stands between the pipeline and the sinks: every batch, kept until each handler has it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from telemetry.batch import Batch, Template

__all__ = ["Journal", "Loss", "OnFull"]

OnFull = Literal["block", "drop_oldest"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that a cursor was offered and can't have any more: those of its batches from `first` to `last` (offsets)."""

    first: int
    last: int
    rows: int
    reason: str
    """journal_full, expired, damaged, ..: the reason that the rows are counted by."""


class Journal(Protocol):
    """One log, one cursor per handler. Offsets grow; a cursor sees only the batches of its templates."""

    def attach(self, cursor: str, templates: Collection[Template], on_full: OnFull = "drop_oldest") -> int:
        """Begin a cursor at the end, or resume it where it was; gives the offset to read after.

        `on_full`: whether `append` waits for this cursor when there is no room, or takes its oldest batches from it.
        """

    def change(self, cursor: str, templates: Collection[Template], on_full: OnFull) -> None:
        """Let a running cursor take these templates from now on; its account goes on, and what waits for it waits."""

    def detach(self, cursor: str) -> int:
        """End a cursor for good; gives the rows that were pending and that nobody will deliver now."""

    async def append(self, batches: Sequence[Batch]) -> int:
        """Keep the batches: safe when it returns, as far as this journal can promise. Gives the last offset.

        All or nothing. Waits while there is no room (a full disk, a cursor that may not lose): that holds Envoy back.
        """

    async def read(self, cursor: str, after: int, limit: int) -> Sequence[tuple[int, Batch]]:
        """Wait for batches beyond `after`; gives at most `limit` of them with their offsets, at least one.

        What was read is in the reader's hand until committed: it stays pending, and is never counted as lost.
        """

    async def commit(self, cursor: str, offset: int) -> None:
        """Note that the cursor's handler is done with everything up to `offset`; it pends no more before any await."""

    def offered_rows(self, cursor: str) -> int:
        """Rows that the cursor's handler was offered: what waited for it when it was attached, and all since."""

    def pending_rows(self, cursor: str) -> int:
        """Rows that wait for it, counted from what is kept."""

    def pending_batches(self, cursor: str) -> int:
        """Batches that wait for it."""

    def oldest_pending_ns(self, cursor: str) -> int | None:
        """When the oldest batch that waits for it was appended, since 1970; None when none waits."""

    def losses(self, cursor: str) -> Sequence[Loss]:
        """Give what was lost to it since it was attached, oldest first; neighbours of one reason are one."""

    def lost_rows(self, cursor: str) -> int:
        """Rows it was offered and that are gone before it took them: the sum of its losses."""

    def problems(self) -> Mapping[str, str]:
        """Say what keeps the journal from working now, by part, for the one on call; empty when all is well."""
