"""A process that appends to a journal, made to be killed: `python -m tests.journal.appending PATH BEGIN APPENDS`."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from telemetry.batch import Batch, Template
from telemetry.journal.sqlite import SqliteJournal
from telemetry.selfmetrics import SelfMetrics
from tests.rows import metrics


def batch_of(sequence: int) -> Batch:
    """What it appends: small ones and large ones, each known by its sequence."""
    return metrics(*(random.Random(sequence).random() for _ in range(1 + sequence % 7 * 400)), sequence=sequence)


async def child(path: Path, *, begin: int = 0, appends: int = 10_000, kill_after: int | None = None, wait_s: float = 0):
    """Run it; killed `wait_s` after it began its `kill_after`th append. It has `lines`, which say what it did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(path), str(begin), str(appends), stdout=asyncio.subprocess.PIPE
    )
    process.lines = []
    started = 0
    async for line in process.stdout:
        if line.endswith(b"\n"):  # or it was killed while it wrote the line, before it did what it says
            process.lines.append(line.split())
        started += line.startswith(b"append")
        if started == kill_after:
            await asyncio.sleep(wait_s)
            process.kill()
            kill_after = None
    await process.wait()
    return process


async def main(path: Path, begin: int, appends: int) -> None:
    async with SqliteJournal(path, SelfMetrics(), max_bytes=1 << 30, flush_s=0.01) as journal:
        journal.attach("a", {Template.METRIC})
        print("open", flush=True)
        sequence = begin
        while sequence < begin + appends:
            some = [batch_of(sequence + at) for at in range(1 + sequence % 3)]
            print("append", sequence, len(some), flush=True)
            await journal.append(some)
            sequence += len(some)
            print("kept", sequence - 1, flush=True)
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
