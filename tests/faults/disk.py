"""A disk that can be filled: a small file system; where we may not mount, a limit on the size of files."""

import errno
import os
import resource
import subprocess
from pathlib import Path
from typing import Protocol

__all__ = ["Disk", "LimitedFiles", "SmallFileSystem", "disk"]

_SIZE_MIB = 96
_CHUNK = bytes(1 << 16)


class Disk(Protocol):
    """Where the journal is."""

    folder: Path

    def fill(self, pid: int) -> None:
        """Leave no room to the process."""

    def free(self, pid: int) -> None:
        """Make room again."""

    def close(self) -> None:
        """Put things back in order."""


class SmallFileSystem:
    """In memory, filled with ballast. Raises OSError when it can't be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        size = f"size={_SIZE_MIB}m"
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=False, capture_output=True)
        if made.returncode:
            raise OSError(made.stderr.decode())

    def fill(self, pid: int) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            chunk = _CHUNK
            while chunk:
                try:
                    file.write(chunk)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    chunk = chunk[: len(chunk) // 2]

    def free(self, pid: int) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        # Lazily: whoever was killed may not be gone yet.
        subprocess.run(["umount", "--lazy", self.folder], check=True)


class LimitedFiles:
    """An ordinary folder; full means that no file of the process may grow beyond the largest of the journal's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def fill(self, pid: int) -> None:
        largest = max(file.stat().st_size for file in self.folder.iterdir())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self, pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        pass


def disk(folder: Path) -> Disk:
    """Give the best that this machine allows."""
    if os.geteuid() == 0:
        try:
            return SmallFileSystem(folder)
        except OSError:
            pass
    return LimitedFiles(folder)
