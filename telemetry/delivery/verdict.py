"""What an adapter's answer means for the rows that it was offered."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import SupportsIndex

from telemetry.errors import Partial, Rejected, Retry, TooLarge

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each row's fate by position: `retry` it, `rejected` for a reason; the sink has all the others.

    `split`: offer halves. `after_s`: when the sink asked to be tried again. `answered`: the sink did its work, in part
    at least, or said that it never will.
    """

    retry: tuple[int, ...] = ()
    rejected: Mapping[int, str] = field(default_factory=dict)
    split: bool = False
    after_s: float | None = None
    answered: bool = True


def verdict(error: Exception | None, rows: int, said: str) -> Verdict:
    """Judge how an export of that many rows ended; `said` is the reason for rejecting all.

    Only TooLarge, Rejected and the rejected rows of Partial are final; everything else is tried again.
    """
    match error:
        case None:
            return Verdict()
        case TooLarge() if rows > 1:
            return Verdict(split=True)
        case Rejected():
            return Verdict(rejected=dict.fromkeys(range(rows), said))
        case Partial():
            return _partial(error, rows)
        case Retry():
            return Verdict(retry=tuple(range(rows)), after_s=error.after_s, answered=False)
        case _:
            return Verdict(retry=tuple(range(rows)), answered=False)


def _partial(error: Partial, rows: int) -> Verdict:
    """Judge row by row. A row named as both is tried again: the sink may still take it.

    Positions that the batch doesn't have say that the adapter counts wrongly: then nobody knows which rows the sink
    has, and all are tried again.
    """
    retry, rejected = _positions(error.retry, rows), _positions(error.rejected, rows)
    if retry is None or rejected is None:
        return Verdict(retry=tuple(range(rows)), after_s=error.after_s, answered=False)
    again = set(retry)
    reasons = {at: str(why) for at, why in zip(rejected, error.rejected.values(), strict=True) if at not in again}
    progress = len(again) < rows
    return Verdict(tuple(sorted(again)), reasons, after_s=error.after_s, answered=progress)


def _positions(given: Iterable[object], rows: int) -> list[int] | None:
    """Give the positions as plain integers, None when one of them can't be a position."""
    if not all(isinstance(one, SupportsIndex) for one in given):
        return None
    found = [index(one) for one in given if isinstance(one, SupportsIndex)]
    return found if all(0 <= at < rows for at in found) else None
