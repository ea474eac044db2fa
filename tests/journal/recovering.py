"""Recoveries killed at every step, and what each leaves to be found: `python -m tests.journal.recovering PATH`.

A step is whatever Python tells its audit hooks of files: one is opened, renamed or removed.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from telemetry.journal.faults import DamagedError
from telemetry.journal.recovery import recover, settle
from telemetry.journal.store import Store
from telemetry.journal.tables import Contents

_STEPS = ("open", "os.rename", "os.remove", "sqlite3.connect")


def killed_at(step: int, path: Path) -> bool:
    """Recover the file in a process of its own that ends at this step; False when it came to its end before."""
    child = os.fork()
    if not child:
        left = [step]

        def count(event: str, _: object) -> None:
            if event in _STEPS:
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        recover(path, "damaged", 0)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def found(path: Path) -> Contents:
    """Give what the next start finds."""
    settle(path)
    store = Store(path)
    try:
        contents = store.open()
        store.close()
    except DamagedError as error:
        store.close()
        contents = recover(path, str(error), 1).contents
    return contents


def main(path: Path) -> None:
    pristine, step, killed = path.parent.with_name("pristine"), 0, True
    path.parent.rename(pristine)
    while killed:
        step += 1
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(pristine, path.parent)
        killed = killed_at(step, path)
        contents = found(path)
        names = sorted(file.name for file in path.parent.iterdir())
        offsets = [record.offset for record, _ in contents.records]
        print(json.dumps([offsets, sorted(contents.cursors), contents.end, names]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
