"""A small file beside the journal that remembers, about every second, what each cursor waits for."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from telemetry.batch import Template
from telemetry.journal import Loss
from telemetry.journal.tables import Contents

__all__ = ["CursorTally", "Tally", "missing"]


@dataclass(frozen=True, slots=True)
class CursorTally:
    """One cursor as it was."""

    done: Mapping[Template, int]
    waiting_rows: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What is needed to say how much a damaged journal has lost. Not synced: about it, a second does not matter."""

    end: int
    cursors: Mapping[str, CursorTally]

    def write(self, journal: Path) -> None:
        """Put it in the place of the last one, whole. Raises OSError."""
        path, new = _path(journal), journal.with_name(journal.name + ".tally-new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        new.replace(path)

    @classmethod
    def read(cls, journal: Path) -> "Tally | None":
        """Give the last one, None where there is none that can be read."""
        try:
            found = json.loads(_path(journal).read_bytes())
            cursors = {
                str(name): CursorTally(
                    {Template(template): int(done) for template, done in one["done"].items()}, int(one["waiting_rows"])
                )
                for name, one in found["cursors"].items()
            }
            return cls(int(found["end"]), cursors)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def lacking(self, contents: Contents) -> "Tally | None":
        """Give the part that a file which seems whole may lack, None when it lacks nothing.

        A torn log ends early, and SQLite takes that for its end; a page of cursors may be another than was written.
        What the file knows of a cursor is newer than this.
        """
        if self.end > contents.end:
            return self
        cursors = {name: one for name, one in self.cursors.items() if name not in contents.cursors}
        return Tally(self.end, cursors) if cursors else None


def missing(tally: Tally, contents: Contents) -> dict[str, Loss]:
    """Give what each cursor waited for then and what is not there now, as far as a second-old tally can tell.

    `contents.cursors` is brought up to the tally.
    """
    losses: dict[str, Loss] = {}
    for name, was in tally.cursors.items():
        done = contents.cursors.setdefault(name, {})
        for template, offset in was.done.items():
            done[template] = max(done.get(template, 0), offset)
        kept = (one for one, _ in contents.records if one.offset <= tally.end and one.template in done)
        rows = was.waiting_rows - sum(one.rows for one in kept if one.offset > done[one.template])
        if rows > 0:
            losses[name] = Loss(min(done.values(), default=0) + 1, tally.end, rows, "damaged")
    contents.end = max(contents.end, tally.end)
    return losses


def _path(journal: Path) -> Path:
    return journal.with_name(journal.name + ".tally")
