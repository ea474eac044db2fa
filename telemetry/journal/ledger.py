"""Who has had what: the cursors of a journal, and which batches may go when."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile

from telemetry.batch import Template
from telemetry.journal import Loss, OnFull
from telemetry.journal.cursors import Cursor, Record

__all__ = ["Ledger"]

NS_PER_S = 1_000_000_000


class Ledger:
    """The account that every journal keeps; a journal adds where the rows are.

    A batch stays while a cursor waits for it, and for `retention_s` after it was appended. Without room, what nobody
    waits for goes first, then the oldest, unless a cursor that may not lose waits for that one. At `max_age_s`, what
    cursors that may lose wait for goes too.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        max_age_s: float | None = None,
        retention_s: float = 0.0,
        retain: Collection[Template] = (),
    ) -> None:
        self._max_bytes = max_bytes
        self._max_age_ns = None if max_age_s is None else int(max_age_s * NS_PER_S)
        self._retention_ns = int(retention_s * NS_PER_S)
        self._retain = frozenset(retain)
        self._cursors: dict[str, Cursor] = {}
        self._awaited: OrderedDict[int, Record] = OrderedDict()
        self._history: OrderedDict[int, Record] = OrderedDict()
        """What no cursor waits for and what is kept all the same."""
        self._end = 0
        self._waits_for: Sequence[str] = ()
        """The cursors that may not lose and that stood in the way of what was to be appended last."""
        self.size_bytes = 0

    def __len__(self) -> int:
        """Batches kept."""
        return len(self._awaited) + len(self._history)

    def attach(self, cursor: str, templates: Collection[Template], on_full: OnFull = "drop_oldest") -> int:
        """Begin a cursor at the end, or resume it where it was; gives the offset to read after."""
        begin = dict.fromkeys(templates, self._end)
        old = self._cursors.get(cursor)
        one = Cursor(begin, on_full) if old is None else old.resumed(begin, on_full)
        self._cursors[cursor] = one
        for record in list(one.waiting()):
            if record.offset not in self._awaited:  # it was in hand when it was found to be damaged
                one.lose(record, "damaged")
        if old is not None:
            self._release(record for record in old.waiting() if record.offset not in one)
        self._changed_cursor(cursor)
        return min(one.done.values(), default=self._end)

    def change(self, cursor: str, templates: Collection[Template], on_full: OnFull) -> None:
        """Let a running cursor take these templates from now on; its account goes on, and what waits for it waits."""
        self._cursors[cursor].change(dict.fromkeys(templates, self._end), on_full)
        self._changed_cursor(cursor)

    def detach(self, cursor: str) -> int:
        """End a cursor for good; gives the rows that were pending and that nobody will deliver now."""
        one = self._cursors.pop(cursor)
        self._release(one.waiting())
        self._changed_cursor(cursor)
        return one.waiting_rows

    @property
    def cursors(self) -> Collection[str]:
        """Every cursor that there is, those too that were kept from before and that nobody has attached yet."""
        return frozenset(self._cursors)

    def offered_rows(self, cursor: str) -> int:
        """Rows that the cursor's handler was offered: what waited for it when it was attached, and all since."""
        return self._cursors[cursor].offered_rows

    def pending_rows(self, cursor: str) -> int:
        """Rows that wait for it, in its reader's hand or not."""
        return self._cursors[cursor].waiting_rows

    def pending_batches(self, cursor: str) -> int:
        """Batches that wait for it."""
        return len(self._cursors[cursor])

    def oldest_pending_ns(self, cursor: str) -> int | None:
        """When the oldest batch that waits for it was appended, since 1970; None when none waits."""
        return next((record.appended_ns for record in self._cursors[cursor].waiting()), None)

    def losses(self, cursor: str) -> Sequence[Loss]:
        """Give what was lost to it since it was attached, oldest first; neighbours of one reason are one.

        Beyond a thousand ranges the first two of one reason become one.
        """
        return tuple(self._cursors[cursor].losses)

    def lost_rows(self, cursor: str) -> int:
        """Rows it was offered and that are gone before it took them: the sum of its losses."""
        return self._cursors[cursor].lost_rows

    def problems(self) -> Mapping[str, str]:
        """Say what keeps the journal from working now; empty when all is well."""
        behind = [name for name in self._waits_for if name in self._cursors and len(self._cursors[name])]
        return {"journal": f"full: waits for handler {', '.join(behind)}"} if behind else {}

    def _resume(self, done: Mapping[str, Mapping[Template, int]], records: Iterable[Record], end: int) -> None:
        """Take over what was kept from before: cursors that wait to be attached, and batches."""
        self._cursors = {name: Cursor(dict(offsets), dormant=True) for name, offsets in done.items()}
        for record in records:
            self._add(record)
        self._end = max(self._end, end, *(at for offsets in done.values() for at in offsets.values()), 0)

    def _wanted(self, template: Template) -> bool:
        return template in self._retain or any(template in one.done for one in self._cursors.values())

    def _add(self, record: Record) -> None:
        """Enter a kept batch, and offer it to whoever takes its template."""
        self._end = max(self._end, record.offset)
        self.size_bytes += record.size_bytes
        self._awaited[record.offset] = record
        for one in self._cursors.values():
            if one.wants(record):
                one.offer(record)
        self._release([record])

    def _take(self, cursor: str, after: int, limit: int) -> list[Record]:
        """Give the next records beyond `after`, in the reader's hand from now on; none when it must wait."""
        one = self._cursors[cursor]
        for record in (found := one.beyond(after, limit)):
            if record.offset in self._awaited:
                one.in_hand.add(record.offset)
            else:  # it was in hand when it was found to be damaged, and now is asked for again
                one.lose(record, "damaged")
        return [record for record in found if record.offset in one]

    def _done(self, cursor: str, offset: int) -> None:
        self._release(self._cursors[cursor].commit(offset))
        self._changed_cursor(cursor)

    def _room_for(self, size_bytes: int) -> bool:
        """Let go of what may go until there is room; False when a cursor that may not lose stands in the way.

        What a reader has in hand stays, so that a crash can't lose it: by so much the journal may be too large.
        """
        while self._history and self.size_bytes + size_bytes > self._max_bytes:
            self._forget(_first(self._history))
        missing_bytes, victims = self.size_bytes + size_bytes - self._max_bytes, []
        self._waits_for = ()
        for record in self._awaited.values() if missing_bytes > 0 else ():
            if missing_bytes <= 0:
                break
            if waits_for := self._kept_by(record):
                self._waits_for = waits_for
                break
            if not self._in_hand(record):
                victims.append(record)
                missing_bytes -= record.size_bytes
        for record in victims:
            self._take_away(record, "journal_full")
        return not self._waits_for

    def _expire(self, now_ns: int) -> None:
        """Let go of what is older than it may be."""
        while self._history and _first(self._history).appended_ns + self._retention_ns <= now_ns:
            self._forget(_first(self._history))
        if self._max_age_ns is None:
            return
        until_ns = now_ns - self._max_age_ns
        oldest = takewhile(lambda record: record.appended_ns <= until_ns, self._awaited.values())
        for record in list(oldest):
            if not self._kept_by(record) and not self._in_hand(record):
                self._take_away(record, "expired")

    def _kept_by(self, record: Record) -> Sequence[str]:
        """Give the cursors that may not lose and wait for the record."""
        return [name for name, one in self._cursors.items() if one.on_full == "block" and record.offset in one]

    def _in_hand(self, record: Record) -> bool:
        return any(record.offset in one.in_hand for one in self._cursors.values())

    def _take_away(self, record: Record, reason: str) -> None:
        self._forget(record)
        for one in self._cursors.values():
            if record.offset in one and record.offset not in one.in_hand:
                one.lose(record, reason)

    def _release(self, records: Iterable[Record]) -> None:
        """Let go of those that nobody waits for, or keep them as history."""
        for record in records:
            if record.offset in self._awaited and not any(record.offset in one for one in self._cursors.values()):
                if self._retention_ns > 0:
                    self._history[record.offset] = self._awaited.pop(record.offset)
                else:
                    self._forget(record)

    def _forget(self, record: Record) -> None:
        kept = self._awaited.pop(record.offset, None) or self._history.pop(record.offset)
        self.size_bytes -= kept.size_bytes
        self._gone(record.offset)

    def _gone(self, offset: int) -> None:
        """Do away with the rows of a batch that is not kept any more."""
        raise NotImplementedError

    def _changed_cursor(self, cursor: str) -> None:
        """Note that a cursor has moved, begun or ended."""


def _first(records: OrderedDict[int, Record]) -> Record:
    return next(iter(records.values()))
