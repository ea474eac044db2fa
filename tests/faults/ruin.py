"""Damage to the journal's files, and whether what it cost was told."""

import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from telemetry.demo.waiting import holds_within
from tests.faults.evidence import Evidence
from tests.faults.journal import damaged, kept
from tests.faults.numbers import Numbers
from tests.faults.oracle import Oracle
from tests.faults.schedule import HANDLERS, Damage
from tests.faults.seen import Seen
from tests.faults.world import World

__all__ = ["Ruin"]

_DEADLINE_S = 30.0
# What the tally of a damaged journal may not know yet: it is written about every second, by a busy machine later.
_TALLY_NS = 2_500_000_000


@dataclass(frozen=True, slots=True)
class _Before:
    """How things stood before the damage. `old`: ids whose loss must be counted."""

    done: Damage
    pending: dict[str, set[str]]
    old: set[str]


class Ruin:
    """Damages the files while nobody has them open, and judges when the sinks have had what was left."""

    def __init__(self, world: World, random: Random, oracle: Oracle, seen: Seen, evidence: Evidence) -> None:
        self._world, self._random, self._oracle, self._seen = world, random, oracle, seen
        self._evidence = evidence
        self._ended_ns = self._tallied_all_ns = 0
        self._full_ns = 0, 0

    def killed(self) -> None:
        """The service has been killed just now."""
        self._ended_ns = time.time_ns()

    def filled(self, began_ns: int) -> None:
        """The disk was full from then until now."""
        self._full_ns = began_ns, time.time_ns()

    async def tallied(self) -> None:
        """Wait until the journal's tally, too, knows all that is there now: it may have been about to be written."""
        now_ns, tally = time.time_ns(), self._world.journal.with_name("journal.db.tally")
        seen: set[int] = set()

        async def written_twice() -> bool:
            with suppress(FileNotFoundError):
                seen.add(tally.stat().st_mtime_ns)
            return len({one for one in seen if one > now_ns}) > 1

        assert await holds_within(written_twice, _DEADLINE_S), "the tally is not written"
        self._tallied_all_ns = now_ns

    def bring(self, how: Damage) -> _Before:
        """Do it."""
        pending = {name: self._evidence.missing(name) for name in HANDLERS}
        old_ns = self._tallied_ns()
        old = {row.id for at_ns, row in kept(self._evidence.copy()) if at_ns < old_ns}
        done = damaged(self._world.journal, how, self._random)
        self._seen.faults[done] += 1
        return _Before(done, pending, old)

    def judge(self, before: _Before, numbers: Numbers) -> None:
        """Compare what is missing now with what was said."""
        self._evidence.exempt()
        for name in HANDLERS:
            lost = self._evidence.missing(name) & before.pending[name]
            old, counted = len(lost & before.old), numbers.damaged(name)
            if old > counted:
                said = f"{len(lost)} rows of {name} are gone ({before.done}), {old} of them old, {counted:g} counted"
                self._oracle.faults.append(f"accounting: {said}")
            self._oracle.given_up[name] |= lost
            self._seen.given_up += len(lost)

    def _tallied_ns(self) -> int:
        """Until when rows were appended whose loss must be counted. A batch's time is when it came: while the disk was
        full, it may have had to wait."""
        sure_ns = self._ended_ns - _TALLY_NS
        return max(self._full_ns[0] - _TALLY_NS if self._full_ns[1] > sure_ns else sure_ns, self._tallied_all_ns)
