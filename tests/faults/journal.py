"""The journal's file as a stranger sees it: read, copied and damaged, never through the service."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from telemetry.batch import Batch, Template
from telemetry.journal.history import History
from tests.faults.adapter import COLUMNS
from tests.faults.oracle import Identity, Row
from tests.faults.schedule import Damage

__all__ = ["copied", "damaged", "kept", "removed", "rows_of", "sound"]

_SECTOR = 512


def rows_of(batch: Batch) -> Iterator[Row]:
    """Give the rows of a batch of entries."""
    columns = (batch.rows[name].to_list() for name in COLUMNS)
    for number, *entry in zip(batch.row_numbers.to_list(), *columns, strict=True):
        yield Row(Identity(batch.receiver, batch.epoch, batch.sequence, number), *entry)


def kept(path: Path, from_ns: int = 0) -> Iterator[tuple[int, Row]]:
    """Give what the file holds of entries, each with the time when it was appended."""
    for _, appended_ns, batch in History(path).batches(from_ns, templates={Template.LOGENTRY}):
        for row in rows_of(batch):
            yield appended_ns, row


def copied(path: Path, folder: Path) -> Path:
    """Copy the file and its log, so that looking changes nothing: whoever opens it puts it in order."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    for part in (path, Path(f"{path}-wal")):
        if part.exists():
            shutil.copy(part, folder)
    return folder / path.name


def sound(path: Path) -> bool:
    """Say whether SQLite finds nothing wrong with the file."""
    with closing(sqlite3.connect(path)) as database:
        try:
            return database.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        except sqlite3.DatabaseError:
            return False


def removed(path: Path) -> None:
    """Take the journal away, whole."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def damaged(path: Path, how: Damage, random: Random) -> Damage:
    """Do this to the files, which nobody has open; gives what was done: where there is no log, the file is cut off."""
    log = Path(f"{path}-wal")
    if how is Damage.TORN and not (log.exists() and log.stat().st_size):
        how = Damage.TRUNCATED
    file = log if how is Damage.TORN else path
    size = file.stat().st_size
    with file.open("r+b") as content:
        if how is Damage.GARBLED:
            for _ in range(5):
                content.seek(random.randrange(max(1, size - _SECTOR)))
                content.write(random.randbytes(_SECTOR))
        else:
            content.truncate(random.randrange(size))
    return how
