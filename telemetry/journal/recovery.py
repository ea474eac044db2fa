"""What can be read of a damaged journal is taken over into a new file, which then takes its place, whole or not at all.

Until the new file is whole, the damaged one stays where it is. Then the new one gets a name that says what the damaged
one will be called, and from there on whoever is killed leaves enough for the next to end it (`settle`).
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from itertools import chain, islice
from pathlib import Path

from telemetry.errors import StartError
from telemetry.journal import salvage
from telemetry.journal.cursors import Record
from telemetry.journal.faults import DamagedError, NoRoomError
from telemetry.journal.store import Changes, Store
from telemetry.journal.tables import Contents, Stored

__all__ = ["Recovered", "recover", "settle"]

_SUFFIXES = ("", "-wal", "-shm", "-journal")
_NEW = ".new"
_WHOLE = ".whole"
# The service has to be ready within 5 s of finding the damage.
_LIMIT_S = 3.0
_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Recovered:
    """A journal begun anew."""

    aside: Path
    """Where the damaged file is now."""
    contents: Contents
    """What was taken over."""


def recover(path: Path, why: str, now_ns: int, more: Iterable[Stored] = (), limit_s: float = _LIMIT_S) -> Recovered:
    """Put a new file in a damaged one's place, with what can be read of it within a limit, and `more`.

    Nobody may have the file open. Raises NoRoomError when it can't be done now; then all is as it was.
    """
    deadline_s = time.monotonic() + limit_s
    when = datetime.fromtimestamp(now_ns / 1e9, UTC)
    reason = re.sub(r"[^a-z0-9]+", "-", why.lower()).strip("-")[:60]
    aside = path.with_name(f"{path.name}.damaged-{when:%Y%m%dT%H%M%S.%f}Z-{reason}")
    settle(path)
    with _renaming(path):
        try:
            found = _taken_over(path, more, deadline_s)
            _beside(path, _NEW).rename(_beside(aside, _WHOLE))
        finally:
            _discard(path)
        _replace(path, aside)
    return Recovered(aside, found)


def settle(path: Path) -> list[Path]:
    """End what a recovery that was killed has begun: put its new file in place if it is whole, else take it away.

    Gives where damaged files were set aside. Nobody may have the file open. Raises NoRoomError.
    """
    with _renaming(path):
        _discard(path)
        wholes = sorted(path.parent.glob(f"{escape(path.name)}.damaged-*{_WHOLE}"))
        asides = [whole.with_name(whole.name.removesuffix(_WHOLE)) for whole in wholes]
        for aside in asides:
            _replace(path, aside)
    return asides


def _taken_over(path: Path, more: Iterable[Stored], deadline_s: float) -> Contents:
    """Write the new file beside the old one, and give what is in it."""
    new = Store(_beside(path, _NEW))
    try:
        new.open()
        found = _copied(path, new, more, deadline_s)
        new.make_way()
    except (DamagedError, StartError) as error:
        raise NoRoomError(f"can't write a new file: {error}") from error
    finally:
        with suppress(DamagedError, NoRoomError):
            new.close()
    return found


def _copied(path: Path, new: Store, more: Iterable[Stored], deadline_s: float) -> Contents:
    if not path.exists():
        return _saved(new, Contents(), more)
    with closing(salvage.opened(path)) as database:
        found = salvage.known(database)
        with closing(salvage.whole(database, found, deadline_s)) as batches:
            return _saved(new, found, chain(batches, more))


def _saved(new: Store, found: Contents, batches: Iterable[Stored]) -> Contents:
    saved: dict[int, tuple[Record, int]] = {}
    for some in _some(batches):
        fresh = [one for one in some if one.record.offset not in saved]
        new.write(fresh, Changes(), 0)
        saved.update((one.record.offset, (one.record, one.checksum)) for one in fresh)
    end = max([found.end, *saved])
    new.write([], Changes(cursors={**found.cursors}), end)
    return Contents(end, [saved[offset] for offset in sorted(saved)], found.cursors)


def _some(batches: Iterable[Stored]) -> Iterator[list[Stored]]:
    """Give them some at a time: a transaction for each would sync the disk for each."""
    rest = iter(batches)
    while some := list(islice(rest, _TOGETHER)):
        yield some


def _replace(path: Path, aside: Path) -> None:
    """Set the old file aside with its log, as far as that is not done, and put the whole new one in its place."""
    _sync(path.parent)
    for suffix in _SUFFIXES:
        if (part := _beside(path, suffix)).exists():
            part.rename(_beside(aside, suffix))
    _sync(path.parent)
    _beside(aside, _WHOLE).rename(path)
    _sync(path.parent)


def _discard(path: Path) -> None:
    for suffix in _SUFFIXES:
        _beside(path, _NEW + suffix).unlink(missing_ok=True)


@contextmanager
def _renaming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoRoomError(f"can't replace the damaged file {path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """See that what was renamed stays so, whatever happens."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
