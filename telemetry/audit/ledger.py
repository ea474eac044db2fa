"""Writes the audit: batch after batch, each safe and linked before the next, file after file."""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from telemetry.audit.chain import BATCH, GENESIS, SEAL, Link, digest, link_line, signed_line
from telemetry.audit.checkpoint import Retention, prune
from telemetry.audit.files import (
    HEAD,
    LOCK,
    MODE,
    PUBLIC_KEY,
    SEALED,
    SUMS,
    Folder,
    append,
    replace_file,
    sync_folder,
)
from telemetry.audit.formats import Format
from telemetry.audit.keys import Signer
from telemetry.audit.ocsf import records
from telemetry.audit.recovery import recovered
from telemetry.audit.seals import sum_lines
from telemetry.audit.seen import Seen, identity_of
from telemetry.audit.state import State
from telemetry.batch import Batch

__all__ = ["Ledger", "Rotation"]


@dataclass(frozen=True, slots=True)
class Rotation:
    """A file is finished when it has so many bytes (while open), or is so old."""

    max_bytes: int
    max_age_s: float


class Ledger:
    """For one thread. `open` first: it takes the folder's lock, and goes on where the last process was.

    Every method raises OSError when the disk refuses, and can then be called again; `open` raises ValueError when the
    folder's content is not what the last process left.
    """

    def __init__(
        self,
        folder: Folder,
        signer: Signer,
        form: Format,
        rotation: Rotation,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder
        self._signer = signer
        self._form = form
        self._rotation = rotation
        self._clock_ns = clock_ns
        self._seen = Seen()
        self._state = State()
        self._head = (0, GENESIS)
        self._lock: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the folder is ours."""
        return self._lock is not None

    @property
    def head(self) -> tuple[int, str]:
        """The last link's number and hash: noted elsewhere, they show when the audit's end is cut off."""
        return self._state.number, self._state.previous

    def open(self) -> None:
        """Take the folder and go on."""
        self.folder.make()
        lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            _take(lock, self.folder)
            self._state = recovered(self.folder, self._signer, self._seen)
            replace_file(self.folder / PUBLIC_KEY, self._signer.public_pem)
            self._settle()
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def close(self) -> None:
        """Leave the folder to others. The open file stays open: the next process goes on with it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def add(self, batch: Batch) -> int:
        """Write the rows that are new; safe when it returns. Gives how many those were."""
        self.rotate()
        fresh = self._seen.unseen(batch)
        if fresh.rows.is_empty():
            return 0
        state = self._state
        if not state.name:
            state.file_number += 1
            state.name = self.folder.name(state.file_number, self._form.suffix, self._clock_ns())
        content = self._form.encode(records(fresh))
        append(self.folder / f"{state.name}.part", content, state.end)
        identity = identity_of(fresh)
        self._follow(BATCH, (state.end, len(content)), digest(content), len(fresh.rows), identity)
        self._seen.note(identity)
        self._settle()
        return len(fresh.rows)

    def rotate(self, *, now: bool = False) -> bool:
        """Finish the open file if that is due, or `now`; whether one was."""
        self._settle()
        links = self._state.links
        if not links:
            return False
        age_ns = self._clock_ns() - links[0].time_ns
        due = self._state.end >= self._rotation.max_bytes or age_ns >= self._rotation.max_age_s * 1e9
        if due or now:
            part = self.folder / f"{self._state.name}.part"
            with self._form.ready(part, [link.size_bytes for link in links]).open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size_bytes = file.tell()
            self._follow(SEAL, (0, size_bytes), sha256, sum(link.rows for link in links), {})
            self._settle()
        return due or now

    def prune(self, retention: Retention, may_go: Callable[[str], bool]) -> list[str]:
        """Let go of finished files beyond the retention; gives their names."""
        gone = prune(self.folder, self._signer, retention, may_go, self._clock_ns)
        if gone:
            write_sums(self.folder)
        return gone

    def _follow(self, kind: str, place: tuple[int, int], sha256: str, rows: int, identity: Mapping[str, Any]) -> None:
        """Link what is on disk already; `place`: offset and size."""
        state = self._state
        link = Link(
            number=state.number + 1,
            previous=state.previous,
            kind=kind,
            file=state.name,
            offset=place[0],
            size_bytes=place[1],
            rows=rows,
            sha256=sha256,
            time_ns=self._clock_ns(),
            identity=identity,
        )
        line = link_line(self._signer, link)
        append(self.folder / f"{state.name}.chain", line, state.chain_bytes)
        if not state.chain_bytes:
            sync_folder(self.folder.path)
        state.follow(link, digest(line), len(line))

    def _settle(self) -> None:
        """Do what follows from the last link: the head, and a sealed file's name. Done again after a crash."""
        if self._head != self.head:
            self._write_head(HEAD)
            self._head = self.head
        if self._state.unplaced:
            put_in_place(self.folder, self._state.unplaced)
            # For copies, which have no open file: it must never know more than there is to copy.
            self._write_head(SEALED)
            self._state.unplaced = ""

    def _write_head(self, name: str) -> None:
        number, sha256 = self.head
        fields = {"what": name, "number": number, "sha256": sha256, "time_ns": self._clock_ns()}
        replace_file(self.folder / name, signed_line(self._signer, fields))


def _take(lock: int, folder: Folder) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{folder.path} is being written by another process; give each handler its own") from None


def put_in_place(folder: Folder, name: str) -> None:
    """Give a sealed file its name, let what it was made of go, and list it in SHA256SUMS."""
    part, beside = folder / f"{name}.part", folder / f"{name}.part.new"
    if beside.exists():
        beside.replace(folder / name)
        part.unlink(missing_ok=True)
    elif part.exists():
        part.replace(folder / name)
    sync_folder(folder.path)
    write_sums(folder)


def write_sums(folder: Folder) -> None:
    """List the finished files as `sha256sum --check` reads it, from their seals."""
    replace_file(folder / SUMS, b"".join(sum_lines(folder, folder.finished())))
