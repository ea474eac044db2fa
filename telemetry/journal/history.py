"""What a journal's file still holds, read by anyone while the service writes: for replay, tap and diff."""

import sqlite3
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from telemetry.batch import Batch, Template
from telemetry.errors import StartError
from telemetry.journal import salvage
from telemetry.journal.cursors import Record
from telemetry.journal.encoding import UNREADABLE, decode
from telemetry.journal.faults import DamagedError, NoRoomError, told
from telemetry.journal.fitting import fitted
from telemetry.journal.tables import APPLICATION, BODY, FORMAT, KNOWN, READABLE, checked, record_of

__all__ = ["History"]

_PAGE = 256
_AHEAD = 2
_SQL = """
    SELECT offset, template, rows, size, appended_ns, checksum FROM batches
    WHERE offset > ? AND appended_ns >= ? AND appended_ns < ? ORDER BY offset LIMIT ?
"""


class History:
    """Reads a journal's file, or one that was set aside, and changes nothing in it.

    Each look at the file is short, so that the writer's log can always be taken in. Of a damaged file it gives what can
    be read, and counts what can't.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0
        """Batches left out so far because they can't be read; what the file doesn't even list is not among them."""

    def batches(
        self, from_ns: int = 0, to_ns: int = 2**63 - 1, templates: Collection[Template] = tuple(Template)
    ) -> Iterator[tuple[int, int, Batch]]:
        """Give offset, time of append and batch of what was appended in [from, to), oldest first.

        What is deleted meanwhile is left out. Raises StartError when the file is not there or not a journal.
        """
        try:
            with closing(self._open()) as database:
                yield from self._batches(database, from_ns, to_ns, frozenset(templates))
        except (sqlite3.Error, DamagedError, NoRoomError) as error:
            raise StartError(f"{self._path} can't be read as a journal: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise StartError(f"there is no journal {self._path}; give the file that journal.path names")
        database = salvage.opened(self._path)
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION or version not in READABLE:
            database.close()
            raise StartError(f"{self._path} is not a journal of format {FORMAT}; use the version that wrote it")
        return database

    def _batches(
        self, database: sqlite3.Connection, from_ns: int, to_ns: int, templates: frozenset[Template]
    ) -> Iterator[tuple[int, int, Batch]]:
        """Decode some batches in threads while the caller looks at the one before."""
        ahead: deque[tuple[Record, Future[Batch | None]]] = deque()
        with ThreadPoolExecutor(_AHEAD, "history") as threads:
            for record, *found in self._bodies(database, from_ns, to_ns, templates):
                ahead.append((record, threads.submit(_decoded, record, *found)))
                if len(ahead) > _AHEAD:
                    yield from self._next(*ahead.popleft())
            while ahead:
                yield from self._next(*ahead.popleft())

    def _bodies(
        self, database: sqlite3.Connection, from_ns: int, to_ns: int, templates: frozenset[Template]
    ) -> Iterator[tuple[Record, object, object]]:
        """Give each record with its body and checksum; of one that can't be read, no body."""
        after = 0
        try:
            while rows := _page(database, after, from_ns, to_ns):
                for row in rows:
                    if row[1] in KNOWN and row[1] in templates and (found := _stored(database, row)):
                        yield found
                    after = row[0]
        except DamagedError:
            readable = salvage.known(database).records
            if not readable:
                raise
            for record, checksum in readable:
                if record.offset > after and from_ns <= record.appended_ns < to_ns and record.template in templates:
                    yield record, salvage.body_of(database, record), checksum

    def _next(self, record: Record, decoding: "Future[Batch | None]") -> Iterator[tuple[int, int, Batch]]:
        batch = decoding.result()
        if batch is None:
            self.damaged += 1
        else:
            yield record.offset, record.appended_ns, batch


def _page(database: sqlite3.Connection, after: int, from_ns: int, to_ns: int) -> list[tuple[Any, ...]]:
    with told():
        return database.execute(_SQL, (after, from_ns, to_ns, _PAGE)).fetchall()


def _stored(database: sqlite3.Connection, row: tuple[Any, ...]) -> tuple[Record, object, object] | None:
    """Give record, body and checksum, None when it was deleted meanwhile."""
    with told():
        found = database.execute(BODY, row[:1]).fetchone()
        return (record_of(row), *found) if found else None


def _decoded(record: Record, stored: object, checksum: object) -> Batch | None:
    with suppress(*UNREADABLE):
        body = checked(record, stored, checksum)
        return None if body is None else fitted(decode(body))
    return None
