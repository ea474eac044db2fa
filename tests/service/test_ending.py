"""Whatever hangs, the process ends."""

import subprocess
import sys

import pytest

HANGS = {
    "nothing": "pass",
    "a thread": "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)",
    "a thread of its own": "ThreadPoolExecutor(1, 'plugin').submit(threading.Event().wait)",
    "a task": "kept.append(asyncio.create_task(deaf())); await asyncio.sleep(0)",
}
PROGRAM = """
import asyncio, threading, uvloop
from concurrent.futures import ThreadPoolExecutor
from telemetry.ending import ending_in_time

kept = []

async def deaf():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def main():
    {hangs}
    {ends}

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending_in_time({limit_s}):
    runner.run(main())
"""


def run(what: str, ends: str = "print('done')", limit_s: float = 0.2) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(hangs=HANGS[what], ends=ends, limit_s=limit_s)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("what", [what for what in HANGS if what != "nothing"])
def test_the_process_ends_in_time_whatever_hangs_and_says_so(what: str) -> None:
    result = run(what)
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert "it is left alone" in result.stderr


def test_a_failure_stays_one_though_something_hangs() -> None:
    assert run("a thread", ends="raise ValueError").returncode == 1


def test_where_nothing_hangs_the_end_is_at_once_and_nothing_is_said() -> None:
    result = run("nothing", limit_s=3600)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")
