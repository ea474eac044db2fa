"""Nothing of ours waits for asyncio's default threads, which hanging calls of a plugin may have taken."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.catalog import Catalog
from telemetry.config import Settings
from telemetry.reload import Reloading
from telemetry.selfmetrics import SelfMetrics
from telemetry.threads import in_own_thread
from tests.jam import jammed


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_work_gets_a_thread_of_its_own_which_ends_with_it() -> None:
    with jammed():
        thread = await in_own_thread(threading.current_thread)
    assert thread.name.startswith("current_thread")
    await until(lambda: not thread.is_alive())


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        await in_own_thread(Path("/nowhere/at/all").read_bytes)


async def test_who_gives_up_on_work_that_hangs_is_not_held_up() -> None:
    let_go = threading.Event()
    task = asyncio.create_task(in_own_thread(let_go.wait, timeout=10))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    let_go.set()


@pytest.mark.parametrize(("written", "told"), [("{}", []), ("http: {address: '127.0.0.1:1'}", ["restart it"])])
async def test_a_configuration_is_read_again_though_all_default_threads_hang(tmp_path: Path, written, told) -> None:
    async def apply(_: Settings) -> None:
        return

    file = tmp_path / "telemetry.yaml"
    file.write_text(written)
    reloading = Reloading(file, Settings(), apply, SelfMetrics())
    with jammed():
        outcome = await asyncio.wait_for(reloading.reload("a test"), 10)
    assert [part in fault for part, fault in zip(told, outcome.faults, strict=True)] == [True] * len(told)
    assert outcome.changes == ()


async def test_a_catalog_is_looked_at_though_all_default_threads_hang(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_bytes(b"services: [{name: one, hosts: [a.example]}]")
    catalog = Catalog(file)
    with jammed():
        running = asyncio.create_task(catalog.run(interval_s=0.001))
        file.write_bytes(b"services: [{name: other, hosts: [a.example]}]")
        os.utime(file, (1, 1))
        await until(lambda: catalog.generation == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
