"""One schedule from its first request to the verdict."""

import asyncio
import time
from collections.abc import Iterable
from random import Random

from telemetry.demo.waiting import holds_within
from tests.faults.asking import Asking
from tests.faults.evidence import Evidence
from tests.faults.journal import removed, sound
from tests.faults.numbers import Numbers
from tests.faults.oracle import Oracle
from tests.faults.ruin import Ruin
from tests.faults.schedule import FULL_DISK, HANDLERS, Damage, End, Round
from tests.faults.seen import Seen
from tests.faults.sink import Mood, Sink
from tests.faults.world import World

__all__ = ["Campaign"]

_DEADLINE_S = 30.0
_PROBE_S = 0.5


class Campaign:
    """Plays rounds in a world, watches, and judges. `faults` says what was broken.

    `whole`: the journal keeps all there ever was, so that what arrived can be looked up there.
    """

    def __init__(self, world: World, seed: int, *, whole: bool = True) -> None:
        self.world, self.seen, self._oracle = world, Seen(), Oracle()
        self._random = Random(seed)
        self._asking = Asking(world, seed, self._random, self._oracle, self.seen)
        self._numbers = Numbers(world, self._oracle, self.seen)
        self._evidence = Evidence(world, self._oracle, self.seen, self._asking, whole=whole)
        self._ruin = Ruin(world, self._random, self._oracle, self.seen, self._evidence)

    @property
    def faults(self) -> list[str]:
        return self._oracle.faults

    async def run(self, rounds: Iterable[Round]) -> None:
        """Start the service, play the rounds, and see that all is well in the end."""
        await self.begin()
        for one in rounds:
            await self.play(one)
        await self.end()

    async def play(self, one: Round) -> None:
        """Do what the round says; it ends when each sink's mood has been felt."""
        began_ns = time.time_ns()
        for name, mood in one.moods.items():
            await self.world.sinks[name].behave(mood)
        burst = asyncio.create_task(self._asking.burst(one.requests))
        if one.disk_full:
            await self._fill_the_disk()
        if one.settled:
            await burst
            await self._evidence.settle()
        if one.damage:
            # All sinks work afterwards.
            await self._felt(one, began_ns)
            if one.settled:
                await self._ruin.tallied()
        await self._leave(one, burst)
        if not one.damage:
            await self._felt(one, began_ns)

    async def rest(self) -> None:
        """Let the sinks work until nothing is pending."""
        await self._numbers.drained()

    async def _felt(self, one: Round, began_ns: int) -> None:
        for name, mood in one.moods.items():
            sink = self.world.sinks[name]

            async def felt(name: str = name, mood: Mood = mood, sink: Sink = sink) -> bool:
                # Nobody is there to count whom it refuses: the handler must have said so.
                return await self.world.refused_since(name, began_ns) if mood is Mood.REFUSE else sink.has_failed

            if mood is not Mood.WORK and await holds_within(felt, _DEADLINE_S):
                sink.failures[mood] += mood is Mood.REFUSE

    async def _leave(self, one: Round, burst: "asyncio.Task[None]") -> None:
        if one.end is End.GO_ON:
            await burst
            return
        await asyncio.sleep(one.after_s)
        await self._numbers.look()
        if one.end is End.RELOAD:
            await self._reload()
            await burst
            return
        await (self._kill() if one.end is End.CRASH else self._stop())
        await burst
        self._evidence.examine()
        if one.damage:
            await self._damage(one.damage)
        else:
            await self.begin()

    async def begin(self) -> None:
        """Start the service, and ask until Envoy's stream works: what it sends before, it may lose."""
        began = time.monotonic()
        await self.world.service.start()
        self.seen.slowest_start_s = max(self.seen.slowest_start_s, time.monotonic() - began)
        self._numbers.begin()

        async def gets_through() -> bool:
            probe = await self._asking.one()
            return await holds_within(lambda: self._evidence.in_journal({probe}), _PROBE_S)

        assert await holds_within(gets_through, _DEADLINE_S), "no entry came through to the journal"
        self._asking.unsettled.clear()

    async def _kill(self) -> None:
        await self.world.kill()
        self._ruin.killed()
        self.seen.faults[End.CRASH] += 1

    async def _stop(self) -> None:
        code = await self.world.service.stop()
        self.seen.faults[End.STOP] += 1
        if code:
            self.faults.append(f"a stop ended with {code}")

    async def _reload(self) -> None:
        self.world.max_rows = self._random.choice([7, 50, 500])
        self.world.configure()
        answer = await self.world.client.post(f"{self.world.url}/-/reload")
        self.seen.faults[End.RELOAD] += 1
        if not answer.is_success:
            self.faults.append(f"a reload was refused: {answer.text}")

    async def _fill_the_disk(self) -> None:
        """Fill it, ask until the service says so, and make room."""
        world, pid, began_ns = self.world, self.world.service.pid, time.time_ns()
        world.disk.fill(pid)
        try:

            async def said() -> bool:
                await self._asking.burst(5)
                return not await world.ready()

            assert await holds_within(said, _DEADLINE_S), "a full disk was not said in /readyz"
            self.seen.faults[FULL_DISK] += 1
        finally:
            world.disk.free(pid)
        assert await holds_within(world.ready, _DEADLINE_S), "it did not recover from a full disk"
        self._ruin.filled(began_ns)

    async def _damage(self, how: Damage) -> None:
        """Damage the files, start, let the sinks have what is left, and judge."""
        before = self._ruin.bring(how)
        await self.begin()
        await self._numbers.drained()
        self._ruin.judge(before, self._numbers)
        # Damage that nobody has come upon would be found in a later round, which is not about it.
        if not sound(self._evidence.copy()):
            await self._numbers.look()
            await self._stop()
            self._evidence.exempt()
            removed(self.world.journal)
            await self.begin()

    async def end(self) -> None:
        """No more faults: a fresh entry must pass, and nothing may be left."""
        await self._numbers.drained()
        began, fresh = time.monotonic(), await self._asking.one()

        async def passed() -> bool:
            return all(any(row.id == fresh for row in self.world.sinks[name].rows[-1000:]) for name in HANDLERS)

        if not await holds_within(passed, _DEADLINE_S):
            self.faults.append("liveness: a fresh entry did not arrive after the faults had stopped")
        self.seen.slowest_liveness_s = time.monotonic() - began
        await self._numbers.drained()
        await self._stop()
        self._evidence.examine()
        self._judge()

    def _judge(self) -> None:
        arrived = {name: self._evidence.arrived(name) for name in HANDLERS}
        self._oracle.judge(arrived)
        self.seen.durable = len(self._oracle.owed)
        self.seen.duplicates = sum(len(rows) - len(set(rows)) for rows in arrived.values())
        for sink in self.world.sinks.values():
            self.seen.faults.update(sink.failures)
