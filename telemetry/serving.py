"""The service, until a signal ends it."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from telemetry.config import Settings
from telemetry.service import Service, UseLog, leave_log

__all__ = ["serve"]

# Threads that plugins share (asyncio.to_thread), and look-ups of names at once: some may hang for minutes each.
_THREADS = 64


async def serve(settings: Settings, path: Path | None = None, use_log: UseLog = leave_log) -> None:
    """Run until SIGTERM or SIGINT, then drain; SIGHUP reads the file again.

    Raises StartError when it can't start, and whatever broke it later.
    """
    loop = asyncio.get_running_loop()
    _give_room(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Service(settings, path, use_log=use_log) as service:
        # Without a file there is nothing to read; the default would end us.
        loop.add_signal_handler(signal.SIGHUP, service.reloading.hang_up if service.reloading else lambda: None)
        stopped = asyncio.ensure_future(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopped, service.failed]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    if service.failed.done():
        service.failed.result()


def _give_room(loop: asyncio.AbstractEventLoop) -> None:
    """Let many calls hang in the threads that everyone shares before the next one has to wait.

    A second line: nothing of ours runs there (`telemetry.threads`), but plugins, and the look-ups of names do. Those
    are libuv's under uvloop, in half of its threads, of which it has 4 unless told at the first one.
    """
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "shared"))
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(2 * _THREADS))
