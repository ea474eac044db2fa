"""Copies finished files to where fsspec reaches: object storage, another disk."""

from collections.abc import Sequence
from typing import Protocol

import fsspec
from fsspec.core import url_to_fs

from telemetry.audit.files import CHECKPOINT, PUBLIC_KEY, SEALED, SUMS, Folder
from telemetry.audit.seals import sum_lines

__all__ = ["Remote", "Upload"]


class Remote(Protocol):
    """What is used of fsspec's file systems."""

    def exists(self, path: str) -> bool:
        """Whether it is there."""

    def size(self, path: str) -> int | None:
        """How many bytes it has."""

    def cat_file(self, path: str) -> bytes:
        """Read it."""

    def pipe_file(self, path: str, value: bytes) -> None:
        """Write it."""

    def put_file(self, lpath: str, rpath: str) -> None:
        """Copy a local file there."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Have the folder there."""


class Upload:
    """For one thread of its own: nothing waits for it. `url`: as fsspec knows it, `s3://bucket/audit`."""

    def __init__(self, folder: Folder, url: str, remote: Remote | None = None) -> None:
        self._folder = folder
        self._url = url
        self._remote = remote
        self._path = fsspec.core.strip_protocol(url) if remote else ""
        self.done: frozenset[str] = frozenset()
        """Data files that are there whole, with their chains."""

    def run(self) -> int:
        """Copy what is not there yet, oldest first; gives how many data files. Raises whatever the file system does."""
        remote = self._open()
        # Before the files are listed: they are at least those that it knows.
        head = (self._folder / SEALED).read_bytes() if (self._folder / SEALED).exists() else b""
        names = [name for name in self._folder.finished() if name not in self.done]
        for name in names:
            # The file first: a chain without its file would look like a loss.
            for one in (name, f"{name}.chain"):
                self._copy(remote, one)
            self.done |= {name}
        if names:
            self._state(remote, head, names)
        self.done &= frozenset(self._folder.finished())
        return len(names)

    def _state(self, remote: Remote, head: bytes, names: Sequence[str]) -> None:
        """Bring what describes the copies up to date: they stay when files are let go here."""
        there = f"{self._path}/{SEALED}"
        if not remote.exists(there) and (self._folder / CHECKPOINT).exists():
            # The copies begin where the audit began when the first was made.
            self._put(remote, CHECKPOINT)
        sums = f"{self._path}/{SUMS}"
        before = remote.cat_file(sums).splitlines(keepends=True) if remote.exists(sums) else []
        # From the seals: our own list is written after a file has its name.
        new = [line for line in sum_lines(self._folder, names) if line not in before]
        remote.pipe_file(sums, b"".join([*before, *new]))
        self._put(remote, PUBLIC_KEY)
        remote.pipe_file(there, head)

    def _put(self, remote: Remote, name: str) -> None:
        remote.put_file(str(self._folder / name), f"{self._path}/{name}")

    def _open(self) -> Remote:
        if self._remote is None or not self._path:
            self._remote, self._path = url_to_fs(self._url)
        self._remote.makedirs(self._path, exist_ok=True)
        return self._remote

    def _copy(self, remote: Remote, name: str) -> None:
        local, there = self._folder / name, f"{self._path}/{name}"
        if not (remote.exists(there) and remote.size(there) == local.stat().st_size):
            remote.put_file(str(local), there)
