"""Whatever hangs, the process ends; and who goes on after the service is let go on."""

import subprocess
import sys

import pytest

HANGS = {
    "nothing": "pass",
    "a thread": "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)",
    "a thread of its own": "ThreadPoolExecutor(1, 'plugin').submit(threading.Event().wait)",
    "a task": "kept.append(asyncio.create_task(deaf())); await asyncio.sleep(0)",
}
HANGING = [what for what in HANGS if what != "nothing"]
PROGRAM = """
import asyncio, threading, time, typer, uvloop
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

def serve():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending_in_time(runner, {limit_s}):
        runner.run(main())

{goes_on}
"""
COMMAND = "app = typer.Typer(); app.command()(serve); app()"


def run(
    what: str, ends: str = "print('done')", limit_s: float = 0.2, goes_on: str = COMMAND
) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(hangs=HANGS[what], ends=ends, limit_s=limit_s, goes_on=goes_on)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("what", HANGING)
def test_the_process_ends_in_time_whatever_hangs_and_says_so(what: str) -> None:
    result = run(what)
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert "it is left alone" in result.stderr


@pytest.mark.parametrize("what", HANGING)
@pytest.mark.parametrize(("ends", "code"), [("raise ValueError", 1), ("raise typer.Exit(2)", 2)])
def test_the_exit_code_is_the_same_though_something_hangs(what: str, ends: str, code: int) -> None:
    assert run(what, ends).returncode == code


def test_where_nothing_hangs_the_end_is_at_once_and_nothing_is_said() -> None:
    result = run("nothing", limit_s=3600)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("what", ["nothing", "a thread of its own"])
def test_who_calls_it_and_goes_on_is_not_ended(what: str) -> None:
    result = run(what, limit_s=0.1, goes_on="serve(); time.sleep(0.5); print('went on', flush=True)")
    assert (result.returncode, result.stdout) == (0, "done\nwent on\n")


def test_a_caller_s_own_threads_may_take_their_time_at_the_end() -> None:
    goes_on = (
        "threading.Thread(target=lambda: (time.sleep(1), print('worked', flush=True))).start(); "
        "serve(); threading.Thread(target=lambda: (time.sleep(1), print('worked', flush=True))).start()"
    )
    idle = "ends = ThreadPoolExecutor(1).submit(print, 'done', flush=True); kept.append(ends)"
    result = run("nothing", ends=idle, limit_s=0.1, goes_on=goes_on)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\nworked\nworked\n", "")
