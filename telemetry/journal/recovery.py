"""A damaged journal is set aside under a name that says when and why, and what can be read of it is taken over."""

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from telemetry.batch import Template
from telemetry.journal.cursors import Record
from telemetry.journal.store import Changes, DamagedError, NoRoomError, Store
from telemetry.journal.tables import BATCHES, BODY, CURSORS, KNOWN, Contents, Stored, checked, contents, record_of

__all__ = ["Recovered", "readable", "recover", "set_aside"]

_SUFFIXES = ("", "-wal", "-shm")
# The service has to be ready within 5 s of finding the damage.
_LIMIT_S = 3.0
_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Recovered:
    """A journal begun anew."""

    aside: Path
    """Where the damaged file is now."""
    contents: Contents
    """What was taken over: in the new file, but for the cursors."""


def set_aside(path: Path, why: str, now_ns: int) -> Path:
    """Rename the file and its log; gives the file's new name. Raises OSError."""
    when = datetime.fromtimestamp(now_ns / 1e9, UTC)
    reason = re.sub(r"[^a-z0-9]+", "-", why.lower()).strip("-")[:60]
    aside = path.with_name(f"{path.name}.damaged-{when:%Y%m%dT%H%M%S.%f}Z-{reason}")
    for suffix in _SUFFIXES:
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def readable(path: Path, deadline_s: float) -> tuple[Contents, Iterator[Stored]]:
    """Give what is known of a damaged file, and its whole batches, oldest first, until the deadline (monotonic)."""
    if not path.exists():
        return Contents(), iter(())
    with closing(_open(path)) as database:
        found = _contents(database)
    return found, _bodies(path, found, deadline_s)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    # So that SQLite looks into a file, too, that is shorter than it says.
    database.execute("PRAGMA writable_schema=ON")
    return database


def _contents(database: sqlite3.Connection) -> Contents:
    """Read what can be read, from both ends of the table if the middle can't."""
    with suppress(sqlite3.Error, ValueError):
        return contents(database)
    found = Contents()
    rows = [*_rows(database, f"{BATCHES} ASC"), *_rows(database, f"{BATCHES} DESC")]
    records: dict[int, tuple[Record, int]] = {}
    for row in rows:
        with suppress(ValueError):
            records[row[0]] = record_of(row), row[5]
    found.records = [records[offset] for offset in sorted(records)]
    for name, template, done in _rows(database, CURSORS):
        if template in KNOWN and isinstance(done, int):
            found.cursors.setdefault(str(name), {})[Template(template)] = done
    found.end = max(records, default=0)
    return found


def _rows(database: sqlite3.Connection, sql: str, *values: int) -> Iterator[tuple[Any, ...]]:
    """Give rows up to the first that can't be read."""
    with suppress(sqlite3.Error):
        yield from database.execute(sql, values)


def _bodies(path: Path, found: Contents, deadline_s: float) -> Iterator[Stored]:
    with closing(_open(path)) as database:
        for record, checksum in found.records:
            if time.monotonic() > deadline_s:
                return
            for row in _rows(database, BODY, record.offset):
                if (body := checked(record, *row)) is not None:
                    yield Stored(record, checksum, body)


def recover(store: Store, why: str, now_ns: int, more: Iterable[Stored] = (), limit_s: float = _LIMIT_S) -> Recovered:
    """Set a damaged store's file aside, begin a new one, and take over what can be read, and `more`, within a limit.

    Raises StartError or NoRoomError when the new file can't be written either.
    """
    deadline_s = time.monotonic() + limit_s
    with suppress(DamagedError, NoRoomError):
        store.close()
    try:
        aside = set_aside(store.path, why, now_ns)
    except OSError as error:
        raise NoRoomError(f"can't rename the damaged file {store.path}: {error.strerror}") from error
    found, batches = readable(aside, deadline_s)
    store.open()
    saved: dict[int, tuple[Record, int]] = {}
    for some in _some(chain(batches, more)):
        new = [one for one in some if one.record.offset not in saved]
        store.write(new, Changes(), max((one.record.offset for one in new), default=0))
        saved.update((one.record.offset, (one.record, one.checksum)) for one in new)
    found.records = [saved[offset] for offset in sorted(saved)]
    return Recovered(aside, found)


def _some(batches: Iterable[Stored]) -> Iterator[list[Stored]]:
    """Give them some at a time: a transaction for each would sync the disk for each."""
    rest = iter(batches)
    while some := list(islice(rest, _TOGETHER)):
        yield some
