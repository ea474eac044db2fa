"""The service, until a signal ends it."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from telemetry.config import Settings
from telemetry.service import Service, UseLog, leave_log

__all__ = ["serve"]


async def serve(settings: Settings, path: Path | None = None, use_log: UseLog = leave_log) -> None:
    """Run until SIGTERM or SIGINT, then drain; SIGHUP reads the file again.

    Raises StartError when it can't start, and whatever broke it later.
    """
    loop = asyncio.get_running_loop()
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
