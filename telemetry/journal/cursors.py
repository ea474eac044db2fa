"""A cursor: what one handler still waits for, has in hand, and has lost."""

from bisect import bisect
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter

from telemetry.batch import Template
from telemetry.journal import Loss, OnFull

__all__ = ["Cursor", "Record"]

# A cursor that takes and loses in turns, for ever, must not fill the memory with the ranges that it lost.
_MAX_LOSSES = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a kept batch without its rows."""

    offset: int
    template: Template
    rows: int
    size_bytes: int
    appended_ns: int
    """When it was appended, since 1970."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A loss, with the numbers of its first and last batch among all that the cursor was offered."""

    first: int
    last: int
    loss: Loss

    def joined(self, other: "_Lost") -> "_Lost":
        loss = replace(self.loss, last=max(self.loss.last, other.loss.last), rows=self.loss.rows + other.loss.rows)
        return _Lost(self.first, max(self.last, other.last), loss)


@dataclass(slots=True)
class Cursor:
    """The state of one cursor; `Ledger` decides what happens to it."""

    done: dict[Template, int]
    """By template that it takes: the last offset that its handler is done with."""
    on_full: OnFull = "drop_oldest"
    dormant: bool = False
    """Kept from before and not yet attached: what it loses now is told to whoever attaches it."""
    offered_rows: int = 0
    waiting_rows: int = 0
    lost_rows: int = 0
    in_hand: set[int] = field(default_factory=set)
    """Offsets read and not committed: the reader has them, even if the journal lets go of them."""
    _waiting: OrderedDict[int, tuple[int, Record]] = field(default_factory=OrderedDict)
    """By offset what is neither committed nor lost, each with its number among all that was ever offered."""
    _offered_batches: int = 0
    _lost: list[_Lost] = field(default_factory=list)

    def __contains__(self, offset: int) -> bool:
        return offset in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def wants(self, record: Record) -> bool:
        """Whether its handler takes such batches and is not done with this one."""
        return record.offset > self.done.get(record.template, record.offset)

    def offer(self, record: Record) -> None:
        """Let it wait for the record."""
        self._waiting[record.offset] = (self._offered_batches, record)
        self._offered_batches += 1
        self.offered_rows += record.rows
        self.waiting_rows += record.rows

    def beyond(self, after: int, limit: int) -> list[Record]:
        """Give the first `limit` records that it waits for beyond `after`."""
        return list(islice((record for record in self.waiting() if record.offset > after), limit))

    def waiting(self) -> Iterator[Record]:
        """Give what it waits for, oldest first."""
        return (record for _, record in self._waiting.values())

    def commit(self, offset: int) -> list[Record]:
        """Be done with everything up to `offset`; gives what that was."""
        self.done = {template: max(at, offset) for template, at in self.done.items()}
        done: list[Record] = []
        while self._waiting and (first := next(iter(self._waiting))) <= offset:
            done.append(self._forget(first)[1])
        return done

    def lose(self, record: Record, reason: str) -> None:
        """Take the record from it, for good."""
        number, _ = self._forget(record.offset)
        self.note(Loss(record.offset, record.offset, record.rows, reason), number)

    def note(self, loss: Loss, number: int = -1) -> None:
        """Count a loss; `number` is the batch's among all that were offered, negative for those from before."""
        self.lost_rows += loss.rows
        at = bisect(self._lost, number, key=attrgetter("last"))
        self._lost.insert(at, _Lost(number, number, loss))
        self._join(at)
        self._join(at - 1)
        if len(self._lost) > _MAX_LOSSES:
            self._join_two()

    @property
    def losses(self) -> list[Loss]:
        """What it has lost, oldest first."""
        return [one.loss for one in self._lost]

    def change(self, templates: Mapping[Template, int], on_full: OnFull) -> None:
        """Take these templates from now on, each beyond that offset where it is new."""
        self.done = {template: self.done.get(template, end) for template, end in templates.items()}
        self.on_full = on_full

    def resumed(self, templates: Mapping[Template, int], on_full: OnFull) -> "Cursor":
        """Give it as it begins anew: what it waits for is offered again, of the templates that it still takes."""
        done = {template: self.done.get(template, end) for template, end in templates.items()}
        again = Cursor(done, on_full)
        for record in self.waiting():
            if again.wants(record):
                again.offer(record)
        for at, loss in enumerate(self.losses if self.dormant else ()):
            again.offered_rows += loss.rows
            again.note(loss, 2 * (at - _MAX_LOSSES) - 2)
        return again

    def _forget(self, offset: int) -> tuple[int, Record]:
        number, record = self._waiting.pop(offset)
        self.waiting_rows -= record.rows
        self.in_hand.discard(offset)
        return number, record

    def _join(self, at: int) -> None:
        """Make a range and the next one, if they are neighbours of one reason."""
        if 0 <= at < len(self._lost) - 1:
            one, other = self._lost[at], self._lost[at + 1]
            if one.last + 1 == other.first and one.loss.reason == other.loss.reason:
                self._lost[at : at + 2] = [one.joined(other)]

    def _join_two(self) -> None:
        """Make the first two losses of one reason one, though something that was not lost lies between them."""
        seen: dict[str, int] = {}
        for at, lost in enumerate(self._lost):
            if (earlier := seen.setdefault(lost.loss.reason, at)) != at:
                self._lost[earlier] = self._lost[earlier].joined(self._lost.pop(at))
                return
