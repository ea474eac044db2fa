"""What can be read of a damaged file, which is left as it is.

Only damage is passed over: what can't be read for another reason, such as a full disk, raises NoRoomError.
"""

import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from telemetry.batch import Template
from telemetry.journal.cursors import Record
from telemetry.journal.faults import DamagedError, told
from telemetry.journal.tables import (
    BATCHES,
    BODY,
    CURSORS,
    ENDS,
    KNOWN,
    Contents,
    Stored,
    checked,
    contents,
    record_of,
)

__all__ = ["body_of", "known", "opened", "whole"]


def opened(path: Path) -> sqlite3.Connection:
    """Open a file to read what can be read of it."""
    with told():
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        # So that SQLite looks into a file, too, that is shorter than it says.
        database.execute("PRAGMA writable_schema=ON")
        return database


def known(database: sqlite3.Connection) -> Contents:
    """Read what can be read, from both ends of the table if the middle can't."""
    with suppress(DamagedError), told():
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
    found.end = max([*records, *(last for (last,) in _rows(database, ENDS) if isinstance(last, int))], default=0)
    return found


def body_of(database: sqlite3.Connection, record: Record) -> bytes | None:
    """Give a batch's body if it can be read and is what was written."""
    return next((checked(record, *row) for row in _rows(database, BODY, record.offset)), None)


def whole(database: sqlite3.Connection, found: Contents, deadline_s: float) -> Generator[Stored, None, None]:
    """Give the batches that can be read whole, oldest first, until the deadline (monotonic)."""
    for record, checksum in found.records:
        if time.monotonic() > deadline_s:
            return
        if (body := body_of(database, record)) is not None:
            yield Stored(record, checksum, (body,))


def _rows(database: sqlite3.Connection, sql: str, *values: int) -> Iterator[tuple[Any, ...]]:
    """Give rows up to the first that can't be read."""
    with suppress(DamagedError), told(), closing(database.execute(sql, values)) as rows:
        yield from rows
