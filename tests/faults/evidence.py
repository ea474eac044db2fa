"""What the journal's file, the sinks and the dead letters show of what has been asked."""

from contextlib import suppress
from pathlib import Path

from telemetry.dead_letters import read
from telemetry.demo.waiting import holds_within
from telemetry.errors import StartError
from tests.faults.asking import Asking
from tests.faults.journal import copied, kept, rows_of
from tests.faults.oracle import Oracle, Row
from tests.faults.schedule import HANDLERS
from tests.faults.seen import Seen
from tests.faults.world import World

__all__ = ["Evidence"]

_DEADLINE_S = 30.0


class Evidence:
    """Looks there, and tells the oracle.

    `whole`: the journal keeps all there ever was, so that what arrived can be looked up there.
    """

    def __init__(self, world: World, oracle: Oracle, seen: Seen, asking: Asking, *, whole: bool) -> None:
        self._world, self._oracle, self._seen, self._asking, self._whole = world, oracle, seen, asking, whole
        self._newest_ns = 0
        self._exempt: set[Row] = set()

    async def in_journal(self, ids: set[str]) -> bool:
        """Say whether the file that the service has open holds these, or has held them."""
        # While it is being set aside, there is none.
        with suppress(StartError):
            for appended_ns, row in kept(self._world.journal, self._newest_ns):
                self._newest_ns = max(self._newest_ns, appended_ns)
                self._oracle.owes([row])
        return ids <= self._oracle.owed

    async def settle(self) -> None:
        """Wait until the journal has all that was asked since the stream worked: nobody was killed meanwhile."""
        unsettled = self._asking.unsettled
        if not await holds_within(lambda: self.in_journal(unsettled), _DEADLINE_S, interval_s=0.1):
            lost = unsettled - self._oracle.owed
            said = f"{len(lost)} lost before the journal without a crash: {sorted(lost)[:5]}"
            self._oracle.faults.append(f"conservation: {said}")
        unsettled.clear()

    def examine(self) -> None:
        """See what is in the file that nobody has open now."""
        rows = [row for _, row in kept(self.copy())]
        self._oracle.owes(rows)
        if self._whole:
            arrived = (row for name in HANDLERS for row in self.arrived(name))
            self._oracle.durable_before_it_arrived(rows, (row for row in arrived if row not in self._exempt))
        self._asking.unsettled.clear()

    def exempt(self) -> None:
        """Don't look in the journal, from now on, for what has arrived: damage may have taken it from there."""
        self._exempt.update(row for name in HANDLERS for row in self.arrived(name))

    def copy(self) -> Path:
        """Give a copy of the file, with its log."""
        return copied(self._world.journal, self._world.folder / "copy")

    def missing(self, name: str) -> set[str]:
        """Give the ids that are owed to the handler and have not arrived."""
        return self._oracle.missing(name, self.arrived(name))

    def arrived(self, name: str) -> list[Row]:
        """Give what a handler's rows have come to: the sink has them, or a dead letter."""
        letters = (self._world.dead_letters / name).glob("*.arrow")
        buried = [row for path in letters for row in rows_of(read(path).batch)]
        self._seen.dead_letters = max(self._seen.dead_letters, len(buried))
        return [*self._world.sinks[name].rows, *buried]
