"""What can be wrong with the file, told apart by what can be done about it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["BusyError", "DamagedError", "NoRoomError", "UnreadableError", "told"]

# SQLITE_ERROR: our statements are right, so it is the schema that is not.
_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_ERROR,
    }
)
_UNREADABLE = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)


class DamagedError(Exception):
    """The file is not what was written: it must be set aside."""


class UnreadableError(DamagedError):
    """The disk does not give back a part of the file. What else is in it may be sound."""


class NoRoomError(Exception):
    """The file can't be written now: the disk is full, or fails. Trying again may help."""

    way_out = "make room"


class BusyError(NoRoomError):
    """Somebody else holds the file."""

    way_out = "close the program that has it open"


@contextmanager
def told() -> Iterator[None]:
    """Raise what is wrong in place of SQLite's errors."""
    try:
        yield
    except (sqlite3.DatabaseError, ValueError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code in _UNREADABLE:
            raise UnreadableError(f"{error}") from error
        if code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_READONLY_DBMOVED:
            raise DamagedError(f"{error}") from error
        busy = code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        raise (BusyError if busy else NoRoomError)(f"{error}") from error
