"""Where a chain begins whose first files were let go on purpose: signed, so that nobody else can shorten it."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from telemetry.audit.chain import GENESIS, digest, last_line, link_of, read_line, signed_line
from telemetry.audit.files import CHECKPOINT, Folder, number_of, replace_file
from telemetry.audit.keys import Signer, Trusted

__all__ = ["Checkpoint", "Retention", "prune", "read_checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The last link that was let go; zero: none was. `file_number`: the file it was in."""

    number: int = 0
    sha256: str = GENESIS
    file_number: int = 0
    pruned_rows: int = 0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished files are kept, and how many bytes of them; None: for ever, any number."""

    max_age_s: float | None = None
    max_bytes: int | None = None


def read_checkpoint(folder: Folder, trusted: Trusted | None) -> Checkpoint:
    """Give it. Raises ValueError when it is not signed by one of these keys, or no checkpoint."""
    path = folder / CHECKPOINT
    if not path.exists():
        return Checkpoint()
    try:
        return Checkpoint(**read_line(path.read_bytes(), trusted))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def prune(
    folder: Folder,
    signer: Signer,
    retention: Retention,
    may_go: Callable[[str], bool],
    clock_ns: Callable[[], int] = time.time_ns,
) -> list[str]:
    """Let go of the oldest finished files that are beyond the retention, as long as they `may_go`; gives their names.

    The checkpoint is on disk first: after a crash in between, older files are left over and are let go the next time.
    """
    gone = list(_beyond(folder, retention, clock_ns()))
    keep = next((at for at, name in enumerate(gone) if not may_go(name)), len(gone))
    gone = gone[:keep]
    if gone:
        before = read_checkpoint(folder, None)
        after = _after(folder / f"{gone[-1]}.chain", before.pruned_rows + sum(_rows(folder, name) for name in gone))
        if after.number > before.number:
            replace_file(folder / CHECKPOINT, signed_line(signer, asdict(after)))
    for name in gone:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.chain").unlink()
    return gone


def _beyond(folder: Folder, retention: Retention, now_ns: int) -> list[str]:
    """Give the oldest finished files that need not be kept; the newest is always kept."""
    names = [name for name in folder.finished() if (folder / f"{name}.chain").exists()][:-1]
    sizes = {name: (folder / name).stat().st_size for name in folder.finished()}
    held = sum(sizes.values())
    beyond = []
    for name in names:
        age_s = (now_ns - _seal(folder, name)["time_ns"]) / 1e9
        too_old = retention.max_age_s is not None and age_s > retention.max_age_s
        too_much = retention.max_bytes is not None and held > retention.max_bytes
        if not (too_old or too_much):
            break
        held -= sizes[name]
        beyond.append(name)
    return beyond


def _seal(folder: Folder, name: str) -> dict[str, int]:
    return read_line(last_line(folder / f"{name}.chain"), None)


def _rows(folder: Folder, name: str) -> int:
    return _seal(folder, name)["rows"]


def _after(chain: Path, pruned_rows: int) -> Checkpoint:
    line = last_line(chain)
    link = link_of(read_line(line, None))
    return Checkpoint(link.number, digest(line), number_of(link.file), pruned_rows)
