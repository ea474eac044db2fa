import asyncio
import sys

import psutil
import pytest

from telemetry.demo.binaries import binary
from telemetry.demo.mesh import python_environment
from telemetry.demo.processes import Process
from telemetry.demo.waiting import holds_within
from telemetry.errors import StartError


async def ready():
    return True


async def never():
    return False


def python(code, log, condition=ready, **options):
    return Process("a child", (sys.executable, "-c", code), log, condition, **options)


async def test_a_process_that_ends_at_its_start_shows_its_last_words(tmp_path):
    child = python("raise SystemExit('no such setting: x')", tmp_path / "log", never)
    with pytest.raises(StartError, match=r"(?s)a child ended at its start.*no such setting: x"):
        await child.start()


async def test_a_process_that_isnt_ready_in_time_is_stopped(tmp_path):
    child = python("import time; time.sleep(60)", tmp_path / "log", never, deadline_s=0.2)
    with pytest.raises(StartError, match=r"not ready within 0\.2 s"):
        await child.start()
    assert not child.running


async def test_a_process_is_asked_to_end_when_left(tmp_path):
    async with python("import time; time.sleep(60)", tmp_path / "log") as child:
        assert child.running
    assert not child.running
    assert await child.stop() == -15


async def test_a_process_can_be_started_again(tmp_path):
    async with python("import time; time.sleep(60)", tmp_path / "log") as child:
        first = child.pid
        await child.stop()
        await child.start()
        assert child.running
        assert child.pid != first


def test_a_missing_binary_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StartError, match="run `make tools`, or set TELEMETRY_NONE"):
        binary("no-such-server", "TELEMETRY_NONE")


def test_a_wrong_path_in_the_environment_is_a_fault_and_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setenv("TELEMETRY_ENVOY", str(tmp_path / "envoy"))
    with pytest.raises(StartError, match="is not an executable file"):
        binary("envoy", "TELEMETRY_ENVOY")


def test_a_binary_named_in_the_environment_wins(monkeypatch):
    monkeypatch.setenv("TELEMETRY_ENVOY", sys.executable)
    assert str(binary("envoy", "TELEMETRY_ENVOY")) == sys.executable


async def test_a_process_ends_when_whoever_started_it_is_killed(tmp_path):
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from telemetry.demo.processes import Process\n"
        "async def main():\n"
        "    async def ready(): return True\n"
        "    async with Process('child', ['sleep', '60'], Path(sys.argv[1]), ready) as child:\n"
        "        print(child.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, starter, tmp_path / "log", stdout=asyncio.subprocess.PIPE, env=python_environment()
    )
    child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()

    async def gone():
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    assert await holds_within(gone, deadline_s=5)
