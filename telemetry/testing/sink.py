"""The back end of an adapter under test: what it can be told to do, and what it must be able to tell."""

from collections.abc import Hashable, Iterable
from enum import StrEnum
from typing import Protocol

__all__ = ["Behaviour", "Feature", "Sink"]


class Behaviour(StrEnum):
    """What a back end does from now on."""

    WORK = "work"
    """It takes everything."""
    UNREACHABLE = "be unreachable"
    """Nobody answers: nothing listens, the disk is not there."""
    BUSY = "be busy"
    """It answers that it can't now: 503, UNAVAILABLE, quota exceeded, disk full."""
    REJECT = "reject"
    """It answers that it never will: 400, INVALID_ARGUMENT, unknown topic."""
    PARTIAL = "take a part"
    """It takes some rows and not the others, and says so as far as its protocol can."""
    SLOW = "be slow"
    """It takes everything after about a third of a second."""
    HANG = "hang"
    """It reads, and never answers."""
    NONSENSE = "talk nonsense"
    """It answers what its protocol doesn't know, or megabytes of it."""
    FORGET = "forget to answer"
    """It takes everything; before it can say so, the connection is lost."""


class Feature(StrEnum):
    """What an adapter and its back end do for rows, unless they declare that they can't."""

    IDENTITY = "tell a row that comes again"
    MEGABYTES = "take a text of a megabyte"


class Sink(Protocol):
    """A real back end or a fake with its real interface, seen by the contract."""

    async def behave(self, behaviour: Behaviour) -> None:
        """Do this from now on, beginning with the next request; what still hangs is let go."""

    async def taken(self) -> Iterable[str]:
        """Give the mark (`telemetry.testing.marks`) of every row that it has, as often as it has it."""

    async def identities(self) -> Iterable[Hashable]:
        """Give what tells each row from all others, in the order of `taken`: the same whenever the row comes again."""
