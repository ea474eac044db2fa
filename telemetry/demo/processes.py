"""A child process: started, waited for, stopped by its id, its output in a file."""

import asyncio
import shutil
import signal
from asyncio.subprocess import Process as Child
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from telemetry.demo.waiting import holds_within
from telemetry.errors import StartError

__all__ = ["Process", "answers"]

_GRACE_S = 5.0
_TAIL_BYTES = 2000


class Process:
    """A child process from `async with` to its end; `ready` is asked until it is true, at most `deadline_s`.

    Entering raises StartError, with the end of the process's output, when it exits or isn't ready in time.
    Leaving sends SIGTERM, and SIGKILL when it has not gone within five seconds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        ready: Callable[[], Awaitable[bool]],
        *,
        deadline_s: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._ready = ready
        self._deadline_s = deadline_s
        self._environment = environment
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises StartError when the process isn't running."""
        if self._child is None:
            raise StartError(f"demo: {self.name} is not running; enter it first")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.returncode is None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the process, and wait until it is ready."""
        with self._log.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *_dying_with_us(self._command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                # A Ctrl-C at the terminal is ours to handle: children are stopped in order, not all at once.
                start_new_session=True,
            )
        try:
            await self._wait_until_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> int | None:
        """End the process and give its exit code; null when it was never started."""
        if self._child is None:
            return None
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._child.wait(), _GRACE_S)
            except TimeoutError:
                self._child.kill()
        return await self._child.wait()

    async def _wait_until_ready(self) -> None:
        async def ready_or_gone() -> bool:
            return not self.running or await self._ready()

        in_time = await holds_within(ready_or_gone, self._deadline_s)
        if self.running and in_time:
            return
        fault = f"was not ready within {self._deadline_s:g} s" if self.running else "ended at its start"
        raise StartError(f"demo: {self.name} {fault}; the end of {self._log}:\n{self._tail()}")

    def _tail(self) -> str:
        return self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")


def _dying_with_us(command: Sequence[str | Path]) -> tuple[str | Path, ...]:
    # If we are killed, nobody is left to stop the children, and their ports would stay taken. The kernel can do it
    # for a process that asks; util-linux asks on its behalf, since forking in Python is unsafe beside threads.
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", *command) if setpriv else tuple(command)


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether a GET of the URL gives 200."""
    try:
        response = await client.get(url)
    except httpx.TransportError:
        return False
    return response.status_code == httpx.codes.OK
