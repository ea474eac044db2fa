"""The SQLite file: batches and cursors, written whole transactions at a time."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.batch import Template
from telemetry.errors import StartError
from telemetry.journal.cursors import Record
from telemetry.journal.faults import DamagedError, NoRoomError, told
from telemetry.journal.tables import (
    APPLICATION,
    BEGINNING,
    BODY,
    FORMAT,
    PRAGMAS,
    READABLE,
    Contents,
    Stored,
    checked,
    contents,
    row_of,
)
from telemetry.journal.watch import Watch

__all__ = ["Changes", "Store"]

_BUSY_MS = 5_000
_LARGE_BYTES = 65_536
# As it fails where there is no room for the index of the log.
_NO_INDEX = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


@dataclass(slots=True)
class Changes:
    """What has to be noted besides new batches."""

    gone: list[int] = field(default_factory=list)
    cursors: dict[str, Mapping[Template, int] | None] = field(default_factory=dict)
    """None: the cursor has ended."""

    def __bool__(self) -> bool:
        return bool(self.gone or self.cursors)

    def put_back(self, earlier: "Changes") -> None:
        """Take over earlier ones that may not have been written; writing them twice does no harm."""
        self.gone = earlier.gone + self.gone
        self.cursors = {**earlier.cursors, **self.cursors}


class Store:
    """A journal's file, for one thread. Every method raises DamagedError or NoRoomError when SQLite can't do it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._watch: Watch | None = None
        self._format = FORMAT
        self._alone = False

    def open(self) -> Contents:
        """Open or create the file; gives what is in it. Raises StartError when it is not a journal of this format.

        Writes nothing into a journal that there is: on a full disk it can be read, too.
        """
        with told():
            self._create()
            try:
                return self._connected(alone=False)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _NO_INDEX or not self.path.stat().st_size:
                    raise
                # A full disk has no room for the index of the log, which those who read beside us need; we don't.
                return self._connected(alone=True)

    def reopen(self) -> None:
        """Open a file that was open before: whatever stands in the way now may go away."""
        try:
            self.open()
        except StartError as error:
            raise NoRoomError(str(error)) from error

    def check(self) -> None:
        """See that the file is the one that we have open. Raises DamagedError, NoRoomError."""
        if self._watch is None:
            self.reopen()
        elif not self._watch.check():
            self._save_log()

    def write(self, batches: Sequence[Stored], changes: Changes, end: int) -> None:
        """Note everything or nothing; on the disk when it returns."""
        self.check()
        if self._alone:
            self._share()
        with self._transaction() as database:
            if self._format != FORMAT:
                database.execute(f"PRAGMA user_version={FORMAT}")
            # "OR REPLACE": what is written again after a recovery may have been saved by it.
            database.executemany(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?)",
                ((*row_of(one.record), one.checksum) for one in batches),
            )
            for one in batches:
                _put(database, one.record.offset, one.body)
            database.executemany("DELETE FROM batches WHERE offset = ?", ((at,) for at in changes.gone))
            database.executemany("DELETE FROM bodies WHERE offset = ?", ((at,) for at in changes.gone))
            database.executemany("DELETE FROM cursors WHERE name = ?", ((name,) for name in changes.cursors))
            database.executemany("INSERT INTO cursors VALUES (?, ?, ?)", _cursor_rows(changes.cursors))
            database.execute("UPDATE ends SET last = max(last, ?)", (end,))
        self._format = FORMAT

    def body(self, record: Record) -> bytes | None:
        """Give a batch's body, None when it isn't there (any more) or is not what was written."""
        with told():
            row = self._opened.execute(BODY, (record.offset,)).fetchone()
            return checked(record, *row) if row else None

    def make_way(self) -> None:
        """Move what can be moved out of the write-ahead log, which frees its room on a full disk."""
        with told():
            self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file; what could not be checkpointed stays in its write-ahead log."""
        database, self._database = self._database, None
        watch, self._watch = self._watch, None
        try:
            if database is not None:
                with told():
                    database.close()
        finally:
            if watch is not None:
                watch.close()

    def _connected(self, *, alone: bool) -> Contents:
        self._database = database = _connect(self.path)
        try:
            database.execute(f"PRAGMA locking_mode={'EXCLUSIVE' if alone else 'NORMAL'}")
            found = self._begin(database)
            self._watch = Watch(self.path)
        except BaseException:
            with suppress(DamagedError, NoRoomError):
                self.close()
            raise
        self._alone = alone
        return found

    def _share(self) -> None:
        """Let others read, too, as soon as there is room for that."""
        self.close()
        self.reopen()
        if self._alone:
            raise NoRoomError("database or disk is full")

    def _begin(self, database: sqlite3.Connection) -> Contents:
        if not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            database.executescript(BEGINNING)
        self._format = self._known_format(database)
        (mode,) = database.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StartError(f"journal: {self.path} is on a file system without shared memory; set journal.path")
        database.executescript(PRAGMAS)
        return contents(database)

    def _save_log(self) -> None:
        """Take what is in a log that somebody deleted into the file, while we have it open, and begin another."""
        with told():
            (busy, *_) = self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise DamagedError("its log was deleted or replaced")
        self.close()
        self.reopen()

    def _known_format(self, database: sqlite3.Connection) -> int:
        """Give the format. Raises StartError when it is none that we can go on with."""
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise StartError(f"journal: {self.path} is another program's database; set journal.path to another file")
        if version not in READABLE:
            raise StartError(_other_format(self.path, version))
        return int(version)

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self.reopen()
        if self._database is None:
            raise NoRoomError("the file is not open")
        return self._database

    def _create(self) -> None:
        """Make the file ours alone, before SQLite makes it everybody's; its log has the same rights."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StartError(f"journal: can't write {self.path}: {error.strerror}; set journal.path") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with told():
            database = self._opened
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")


def _put(database: sqlite3.Connection, offset: int, body: Sequence[bytes]) -> None:
    size_bytes = sum(map(len, body))
    if size_bytes < _LARGE_BYTES:
        database.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?)", (offset, b"".join(body)))
        return
    # Piece by piece into SQLite's pages: put together and bound to a statement, it would be copied twice more.
    database.execute("INSERT OR REPLACE INTO bodies VALUES (?, zeroblob(?))", (offset, size_bytes))
    with database.blobopen("bodies", "body", offset) as blob:
        for piece in body:
            blob.write(piece)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    database.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    return database


def _other_format(path: Path, version: int) -> str:
    age = "a newer" if version > FORMAT else "an older"
    return (
        f"journal: {path} was written by {age} version of this program (format {version}, not {FORMAT}): start "
        f"that version once more until all is delivered, or lose what is in it: mv {path} {path}.format{version}"
    )


def _cursor_rows(cursors: Mapping[str, Mapping[Template, int] | None]) -> Iterator[tuple[str, str, int]]:
    for name, done in cursors.items():
        for template, offset in (done or {}).items():
            yield name, template.value, offset
