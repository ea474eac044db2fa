"""What the journal's file looks like: its tables, and what stands in their rows."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from isal import isal_zlib

from telemetry.batch import Template
from telemetry.journal.cursors import Record

__all__ = [
    "APPLICATION",
    "BATCHES",
    "BEGINNING",
    "BODY",
    "CURSORS",
    "ENDS",
    "FORMAT",
    "KNOWN",
    "PAGE_BYTES",
    "PRAGMAS",
    "READABLE",
    "Contents",
    "Stored",
    "checked",
    "contents",
    "file_bytes",
    "record_of",
    "row_of",
    "stored",
]

FORMAT = 3
"""Raised when a version that knows only the one before can't read what this one writes: a new Template, too."""
READABLE = frozenset({1, 2, FORMAT})
"""Formats that this version reads, and goes on with as its own."""
# "MTJ1": tells a journal from another program's database.
APPLICATION = 0x4D544A31
# Measured: a transaction of 3 MB costs 0.9 ns CPU a byte, 1.1 with 16 KiB, which files of format 1 have.
PAGE_BYTES = 32_768
_ROW_BYTES = 128
BEGINNING = """
PRAGMA page_size=32768;
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE batches (
    offset INTEGER PRIMARY KEY, template TEXT NOT NULL, rows INTEGER NOT NULL, size INTEGER NOT NULL,
    appended_ns INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE bodies (offset INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE cursors (name TEXT, template TEXT, done INTEGER NOT NULL, PRIMARY KEY (name, template)) WITHOUT ROWID;
CREATE TABLE ends (id INTEGER PRIMARY KEY, last INTEGER NOT NULL);
INSERT INTO ends VALUES (1, 0);
PRAGMA application_id=1297369649;
PRAGMA user_version=3;
COMMIT;
"""
PRAGMAS = """
PRAGMA synchronous=FULL;
PRAGMA wal_autocheckpoint=1024;
PRAGMA cache_size=-16384;
PRAGMA journal_size_limit=67108864;
PRAGMA secure_delete=OFF;
PRAGMA cell_size_check=ON;
"""
BODY = "SELECT body, checksum FROM bodies JOIN batches USING (offset) WHERE offset = ?"
CURSORS = "SELECT name, template, done FROM cursors"
KNOWN = frozenset(map(str, Template))
BATCHES = "SELECT * FROM batches ORDER BY offset"
ENDS = "SELECT last FROM ends"


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it is stored."""

    record: Record
    checksum: int
    body: Sequence[bytes]
    """In pieces."""


@dataclass(slots=True)
class Contents:
    """What a file holds, but for the bodies."""

    end: int = 0
    records: list[tuple[Record, int]] = field(default_factory=list)
    """Each with its checksum."""
    cursors: dict[str, dict[Template, int]] = field(default_factory=dict)


def stored(record: Record, body: Sequence[bytes]) -> Stored:
    """Give the batch as it is stored, with its checksum."""
    return Stored(record, _checksum(record, body), body)


def checked(record: Record, body: object, checksum: object) -> bytes | None:
    """Give the body if it, and what is known of it, is what was written."""
    return body if isinstance(body, bytes) and _checksum(record, (body,)) == checksum else None


def _checksum(record: Record, body: Sequence[bytes]) -> int:
    first = isal_zlib.crc32(repr(row_of(record)).encode())
    return reduce(lambda so_far, piece: isal_zlib.crc32(piece, so_far), body, first)


def contents(database: sqlite3.Connection) -> Contents:
    """Read everything but the bodies. Raises sqlite3.Error, and ValueError when it is not what was written."""
    found = Contents()
    for name, template, done in database.execute(CURSORS):
        # Where the file was cut off, SQLite reads nought, which it takes for a row.
        if (type(name), type(template), type(done)) != (str, str, int):
            raise ValueError("a cursor is not described by its name, a template and a number")
        if template in KNOWN:
            found.cursors.setdefault(name, {})[Template(template)] = done
    for row in database.execute(BATCHES):
        found.records.append((record_of(row), row[5]))
    (found.end,) = database.execute(ENDS).fetchone() or (0,)
    return found


def record_of(row: tuple[Any, ...]) -> Record:
    """Make a record of a row of `batches`. Raises ValueError when it can't be one."""
    offset, template, rows, size, appended_ns, checksum = row
    if not all(isinstance(number, int) for number in (offset, rows, size, appended_ns, checksum)):
        raise ValueError("a batch is not described by numbers")
    return Record(offset, Template(template), rows, size, appended_ns)


def row_of(record: Record) -> tuple[int, str, int, int, int]:
    """Give the record's row of `batches`, but for the checksum."""
    return (record.offset, record.template.value, record.rows, record.size_bytes, record.appended_ns)


def file_bytes(body_bytes: int) -> int:
    """How much of the file a body of so many bytes takes: large ones fill pages of their own."""
    pages = -(-body_bytes // PAGE_BYTES)
    return _ROW_BYTES + (pages * PAGE_BYTES if body_bytes > PAGE_BYTES // 4 else body_bytes)
