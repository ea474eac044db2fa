"""One process writes a journal at a time."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from telemetry.errors import StartError

__all__ = ["Lock"]


class Lock:
    """Holds the lock file beside a journal, with our process id in it; the system lets go of it when we die."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._path = journal.with_name(journal.name + ".lock")
        self._file = -1

    def take(self) -> Self:
        """Take the lock. Raises StartError when another process has it, or the folder can't be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"journal: can't write {self._path}: {error.strerror}; set journal.path") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            self.release()
            raise StartError(
                f"journal: {self._journal} is in use by process {pid} (lock {self._path}); stop that process, or give "
                "this one a journal.path of its own"
            ) from None
        with suppress(OSError):  # on a full disk it is held all the same, and does not say by whom
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return self

    def release(self) -> None:
        """Let go of it; the file stays, for whoever comes next. Taking it away would race with them."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
