"""The audit's folder: how its files are called, and how they come to be there whole or not at all."""

import fcntl
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["CHECKPOINT", "HEAD", "PUBLIC_KEY", "SEALED", "SUMS", "Folder", "append", "replace_file", "sync_folder"]

HEAD, SEALED, CHECKPOINT = "head", "sealed", "checkpoint"
SUMS, PUBLIC_KEY, LOCK = "SHA256SUMS", "public-key.pem", "lock"
_STATE = (HEAD, SEALED, CHECKPOINT, SUMS, PUBLIC_KEY)
OWN = frozenset({*_STATE, LOCK})
_NAME = re.compile(r"audit-(\d{10})-\d{8}T\d{6}Z\.(jsonl|parquet)(\.part|\.chain)?")
MODE = 0o600


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the audit lies. Only its owner may read it."""

    path: Path

    def make(self) -> None:
        """Have it there. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def locked(self) -> bool:
        """Whether a process writes here now."""
        try:
            lock = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def name(self, number: int, suffix: str, now_ns: int) -> str:
        """Name the data file of that number: names sort as they were made."""
        moment = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
        return f"audit-{number:010d}-{moment:%Y%m%dT%H%M%SZ}.{suffix}"

    def parts(self) -> list[str]:
        """Name the data files that are open."""
        return [name.removesuffix(".part") for name in self._names() if name.endswith(".part")]

    def chains(self) -> list[str]:
        """Name the data files that have a chain, oldest first."""
        return [name.removesuffix(".chain") for name in self._names() if name.endswith(".chain")]

    def finished(self) -> list[str]:
        """Name the finished data files, oldest first."""
        return [name for name in self._names() if name.endswith((".jsonl", ".parquet"))]

    def begun(self) -> list[str]:
        """Give the names that a file has only until it is whole: left over, they are of a crash."""
        return sorted(name for name in os.listdir(self.path) if name.endswith(".new"))

    def strangers(self) -> list[str]:
        """Give the names that are none of ours."""
        return sorted(name for name in os.listdir(self.path) if name not in OWN and not _NAME.fullmatch(name))

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self.path) if _NAME.fullmatch(name))

    def __truediv__(self, name: str) -> Path:
        return self.path / name


def number_of(name: str) -> int:
    """Give the number in a file's name. Raises ValueError."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no file of an audit")
    return int(match[1])


def append(path: Path, content: bytes, at: int) -> None:
    """Write at this offset, cut off what stood behind, and wait for the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        view = memoryview(content)
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
        os.ftruncate(descriptor, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Put the content in the file's place, in one step that survives a crash. Raises OSError."""
    beside = path.with_name(f"{path.name}.new")
    append(beside, content, 0)
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder are on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
