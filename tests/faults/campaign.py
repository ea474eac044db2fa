"""One schedule from its first request to the verdict."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from telemetry.dead_letters import read
from telemetry.demo.waiting import holds_within
from telemetry.errors import StartError
from tests.faults.journal import copied, damaged, kept, removed, rows_of, sound
from tests.faults.oracle import Asked, Oracle, Row
from tests.faults.schedule import HANDLERS, Damage, End, Round
from tests.faults.sink import Mood
from tests.faults.world import ANSWERS, World

__all__ = ["Campaign", "Seen"]

_AT_ONCE = 8
_DEADLINE_S = 30.0
_PROBE_S = 0.5
# What the tally of a damaged journal may not know yet: it is written about every second, by a busy machine later.
_TALLY_NS = 2_500_000_000


@dataclass
class Seen:
    """What a run has seen: without enough of it, it proves nothing."""

    crashes: int = 0
    stops: int = 0
    reloads: int = 0
    damages: int = 0
    full_disks: int = 0
    retries: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    asked: int = 0
    durable: int = 0
    given_up: int = 0
    slowest_start_s: float = 0.0
    slowest_liveness_s: float = 0.0
    moods: Counter[Mood] = field(default_factory=Counter)
    """Requests that a sink failed, by its mood; for refusals, how often it was in it."""

    def enough(self, schedules: int) -> bool:
        """Say whether so many schedules of ten rounds and more have gone through as much as they must."""
        return self.crashes >= 4 * schedules and self.retries >= 10 * schedules and self.duplicates >= schedules

    def __add__(self, other: "Seen") -> "Seen":
        both = {name: (max if name.startswith("slowest") else _sum)(value, getattr(other, name))
                for name, value in vars(self).items()}  # fmt: skip
        return Seen(**both)


def _sum(one, other):
    return one + other


class Campaign:
    """Plays rounds in a world, watches, and judges. `faults` says what was broken.

    `whole`: the journal keeps all there ever was, so that what arrived can be looked up there.
    """

    def __init__(self, world: World, seed: int, *, whole: bool = True) -> None:
        self.world, self.seed, self._whole = world, seed, whole
        self.oracle, self.seen = Oracle(), Seen()
        self._random = Random(seed)
        self._unsettled: set[str] = set()
        """Asked since the stream was seen to work: the journal must get all of it."""
        self._newest_ns = 0
        self._ended_ns = self._tallied_all_ns = 0
        self._full_ns = 0, 0
        self._last: dict[tuple[str, str], float] = {}
        self._exempt: set[Row] = set()
        """What had arrived when the journal was damaged."""

    @property
    def faults(self) -> list[str]:
        return self.oracle.faults

    async def run(self, rounds: Iterable[Round]) -> None:
        """Start the service, play the rounds, and see that all is well in the end."""
        await self.begin()
        for one in rounds:
            await self.play(one)
        await self.end()

    async def play(self, one: Round) -> None:
        """Do what the round says."""
        for name, mood in one.moods.items():
            await self.world.sinks[name].behave(mood)
            self.seen.moods[mood] += mood in (Mood.REFUSE, Mood.EXPIRED)
        burst = asyncio.create_task(self._ask(one.requests))
        if one.disk_full:
            await self._fill_the_disk()
        if one.settled:
            await burst
            await self._settle()
            if one.damage:
                await self._tallied()
        await self._leave(one, burst)

    async def _leave(self, one: Round, burst: "asyncio.Task[None]") -> None:
        if one.end is End.GO_ON:
            await burst
            return
        await asyncio.sleep(one.after_s)
        await self._look()
        if one.end is End.RELOAD:
            await self._reload()
            await burst
            return
        await (self._kill() if one.end is End.CRASH else self._stop())
        await burst
        self._examine()
        if one.damage:
            await self._damage(one.damage)
        else:
            await self.begin()

    async def _ask(self, number: int) -> None:
        """Ask so many, some at a time; what is asked is noted first."""
        waiting = iter(range(number))

        async def work() -> None:
            for _ in waiting:
                await self._ask_one()

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def _ask_one(self) -> str:
        prefix, (code, body) = self._random.choice(list(ANSWERS.items()))
        id_ = f"{self.seed}-{self.seen.asked}"
        self.seen.asked += 1
        # Mostly short; a few are as long as Envoy's buffer lets them be.
        length = self._random.choice([0, 3, 20, 20, 20, 4000])
        path = f"{prefix}/{id_}/{self._random.choice(['', '%22', '%00', '%F0%9F%92%A5', 'a.b~c'])}{'x' * length}"
        agent = self._random.choice(["faults/1.0", 'a "quoted" \\ agent', "a" * 900])
        self.oracle.asked[id_] = Asked(path, code, agent, len(body))
        self._unsettled.add(id_)
        answer = await self.world.client.get(
            self.world.envoy_url + path, headers={"x-request-id": id_, "user-agent": agent}
        )
        assert (answer.status_code, len(answer.content)) == (code, len(body))
        return id_

    async def begin(self) -> None:
        """Start the service, and ask until Envoy's stream works: what it sends before, it may lose."""
        began = time.monotonic()
        await self.world.service.start()
        self.seen.slowest_start_s = max(self.seen.slowest_start_s, time.monotonic() - began)
        self._last = {}

        async def gets_through() -> bool:
            probe = await self._ask_one()
            return await holds_within(lambda: self._in_journal({probe}), _PROBE_S)

        assert await holds_within(gets_through, _DEADLINE_S), "no entry came through to the journal"
        self._unsettled.clear()

    async def _kill(self) -> None:
        await self.world.kill()
        self._ended_ns = time.time_ns()
        self.seen.crashes += 1

    async def _stop(self) -> None:
        code = await self.world.service.stop()
        self.seen.stops += 1
        if code:
            self.faults.append(f"a stop ended with {code}")

    async def _reload(self) -> None:
        self.world.max_rows = self._random.choice([7, 50, 500])
        self.world.configure()
        answer = await self.world.client.post(f"{self.world.url}/-/reload")
        self.seen.reloads += 1
        if not answer.is_success:
            self.faults.append(f"a reload was refused: {answer.text}")

    async def _fill_the_disk(self) -> None:
        """Fill it, ask until the service says so, and make room."""
        world, pid, began_ns = self.world, self.world.service.pid, time.time_ns()
        world.disk.fill(pid)
        try:

            async def said() -> bool:
                await self._ask(5)
                return not await world.ready()

            assert await holds_within(said, _DEADLINE_S), "a full disk was not said in /readyz"
            self.seen.full_disks += 1
        finally:
            world.disk.free(pid)
        assert await holds_within(world.ready, _DEADLINE_S), "it did not recover from a full disk"
        self._full_ns = began_ns, time.time_ns()

    async def _settle(self) -> None:
        """Wait until the journal has all that was asked since the stream worked: nobody was killed meanwhile."""
        if not await holds_within(lambda: self._in_journal(self._unsettled), _DEADLINE_S, interval_s=0.1):
            lost = self._unsettled - self.oracle.owed
            self.faults.append(f"conservation: {len(lost)} lost before the journal without a crash: {sorted(lost)[:5]}")
        self._unsettled.clear()

    async def _in_journal(self, ids: set[str]) -> bool:
        # While it is being set aside, there is none.
        with suppress(StartError):
            for appended_ns, row in kept(self.world.journal, self._newest_ns):
                self._newest_ns = max(self._newest_ns, appended_ns)
                self.oracle.owes([row])
        return ids <= self.oracle.owed

    async def _look(self) -> None:
        """Read the service's own numbers: the law must hold whenever one looks."""
        own = await self.world.own()
        for name in HANDLERS:
            if left := own["telemetry_handler_unaccounted_rows", name]:
                self.faults.append(f"accounting: {left:g} rows of {name} unaccounted")
            key = "telemetry_handler_retries_total", name
            self.seen.retries += int(own.get(key, 0.0) - self._last.get(key, 0.0))
        self._last = own

    def _examine(self) -> None:
        """See what is in the file that nobody has open now."""
        rows = [row for _, row in kept(self._copy())]
        self.oracle.owes(rows)
        if self._whole:
            arrived = (row for name in HANDLERS for row in self._arrived(name))
            self.oracle.durable_before_it_arrived(rows, (row for row in arrived if row not in self._exempt))
        self._unsettled.clear()

    async def _damage(self, how: Damage) -> None:
        """Damage the files, start, let the sinks have what is left, and compare what is missing with what was said."""
        pending = {name: self.oracle.missing(name, self._arrived(name)) for name in HANDLERS}
        old_ns = self._tallied_ns()
        old = {row.id for at_ns, row in kept(self._copy()) if at_ns < old_ns}
        damaged(self.world.journal, how, self._random)
        self.seen.damages += 1
        await self.begin()
        await self._drain()
        self._exempt.update(row for name in HANDLERS for row in self._arrived(name))
        for name in HANDLERS:
            lost = self.oracle.missing(name, self._arrived(name)) & pending[name]
            counted = self._last.get(("damaged", name), 0.0)
            if len(lost & old) > counted:
                said = (
                    f"{len(lost)} rows of {name} are gone ({how}), {len(lost & old)} of them old, {counted:g} counted"
                )
                self.faults.append(f"accounting: {said}")
            self.oracle.given_up[name] |= lost
            self.seen.given_up += len(lost)
        await self._begin_afresh_if_unsound()

    async def _begin_afresh_if_unsound(self) -> None:
        """Damage that nobody has come upon would be found in a later round, which is not about it."""
        if not sound(self._copy()):
            await self._look()
            await self._stop()
            self._exempt.update(row for name in HANDLERS for row in self._arrived(name))
            removed(self.world.journal)
            await self.begin()

    def _tallied_ns(self) -> int:
        """Until when rows were appended whose loss must be counted. A batch's time is when it came: while the disk was
        full, it may have had to wait."""
        sure_ns = self._ended_ns - _TALLY_NS
        return max(self._full_ns[0] - _TALLY_NS if self._full_ns[1] > sure_ns else sure_ns, self._tallied_all_ns)

    async def _tallied(self) -> None:
        """Wait until the journal's tally, too, knows all that is there now: it may have been about to be written."""
        now_ns, tally = time.time_ns(), self.world.journal.with_name("journal.db.tally")
        seen: set[int] = set()

        async def written_twice() -> bool:
            with suppress(FileNotFoundError):
                seen.add(tally.stat().st_mtime_ns)
            return len({one for one in seen if one > now_ns}) > 1

        assert await holds_within(written_twice, _DEADLINE_S), "the tally is not written"
        self._tallied_all_ns = now_ns

    async def _drain(self) -> None:
        """Let the sinks work until nothing is pending."""
        for sink in self.world.sinks.values():
            await sink.behave(Mood.WORK)

        async def drained() -> bool:
            await self._look()
            return not any(self._last["telemetry_handler_pending_rows", name] for name in HANDLERS)

        if not await holds_within(drained, _DEADLINE_S, interval_s=0.2):
            self.faults.append("liveness: rows stay pending though all sinks work")

    async def end(self) -> None:
        """No more faults: a fresh entry must pass, and nothing may be left."""
        await self._drain()
        began, fresh = time.monotonic(), await self._ask_one()

        async def passed() -> bool:
            return all(any(row.id == fresh for row in self.world.sinks[name].rows[-1000:]) for name in HANDLERS)

        if not await holds_within(passed, _DEADLINE_S):
            self.faults.append("liveness: a fresh entry did not arrive after the faults had stopped")
        self.seen.slowest_liveness_s = time.monotonic() - began
        await self._drain()
        await self._stop()
        self._examine()
        arrived = {name: self._arrived(name) for name in HANDLERS}
        self.oracle.judge(arrived)
        self._count(arrived)

    def _copy(self) -> Path:
        return copied(self.world.journal, self.world.folder / "copy")

    def _arrived(self, name: str) -> list[Row]:
        """Give what a handler's rows have come to: the sink has them, or a dead letter."""
        letters = (self.world.dead_letters / name).glob("*.arrow")
        buried = [row for path in letters for row in rows_of(read(path).batch)]
        self.seen.dead_letters = max(self.seen.dead_letters, len(buried))
        return [*self.world.sinks[name].rows, *buried]

    def _count(self, arrived: dict[str, list[Row]]) -> None:
        self.seen.durable = len(self.oracle.owed)
        self.seen.duplicates = sum(len(rows) - len(set(rows)) for rows in arrived.values())
        for sink in self.world.sinks.values():
            self.seen.moods.update(sink.failures)
