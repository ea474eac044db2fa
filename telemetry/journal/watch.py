"""Whether the files that SQLite has open still are those at their paths."""

import errno
import os
from pathlib import Path

from telemetry.journal.faults import DamagedError, NoRoomError, UnreadableError

__all__ = ["Watch"]

_MAGIC = b"SQLite format 3\x00"
_Identity = tuple[int, int] | None


class Watch:
    """Watches a database and its write-ahead log, which are open until it is closed.

    SQLite goes on writing into a log that is gone, or whose database is, and only the next start would notice. The file
    is kept open for this: when a process closes any descriptor of a file, POSIX takes all of its locks on it, SQLite's
    too, and the next program that looks into the journal would take our log for its own to delete.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, path.with_name(path.name + "-wal")
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._identity, self._log_identity = _identity(path), _identity(self._log)

    def check(self) -> bool:
        """Say whether the log still is ours. Raises DamagedError when the database is not, NoRoomError."""
        try:
            identity, log_identity = _identity(self._path), _identity(self._log)
            magic = os.pread(self._file, len(_MAGIC), 0)
        except OSError as error:
            kind = UnreadableError if error.errno == errno.EIO else NoRoomError
            raise kind(f"can't read the file: {error.strerror}") from error
        if identity is None:
            raise DamagedError("the file was deleted")
        if identity != self._identity or magic != _MAGIC:
            raise DamagedError("the file was replaced or overwritten")
        self._log_identity = self._log_identity or log_identity  # SQLite may not have made it before it was needed
        return log_identity == self._log_identity

    def close(self) -> None:
        """Let go of the file. SQLite must have closed it."""
        os.close(self._file)


def _identity(path: Path) -> _Identity:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
