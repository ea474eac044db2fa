"""Servers in tests that do as they are told: unreachable is stopped, and whoever hangs learns of a change of mind."""

import asyncio
import threading

from telemetry.testing import Behaviour


class InTheLoop:
    """For a server whose `start` and `stop` are coroutines; one that hangs waits for `changed`."""

    behaviour: Behaviour

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()

    async def behave(self, behaviour: Behaviour) -> None:
        before, self.behaviour = self.behaviour, behaviour
        self.changed.set()
        self.changed = asyncio.Event()
        if behaviour is Behaviour.UNREACHABLE:
            await self.stop()
        elif before is Behaviour.UNREACHABLE:
            await self.start()


class InThreads:
    """For a server in threads of its own, so that its tasks are not taken for the adapter's; one waits for `let_go`."""

    behaviour: Behaviour

    def __post_init__(self) -> None:
        self.let_go = threading.Event()

    def stop(self) -> None:
        self.let_go.set()
        self.server.stop(None).wait()

    async def behave(self, behaviour: Behaviour) -> None:
        before, self.behaviour = self.behaviour, behaviour
        self.let_go.set()
        self.let_go = threading.Event()
        if behaviour is Behaviour.UNREACHABLE:
            self.stop()
        elif before is Behaviour.UNREACHABLE:
            self.start()
