"""The service's own numbers: the law must hold whenever one looks."""

from collections.abc import Mapping

from telemetry.demo.waiting import holds_within
from tests.faults.oracle import Oracle
from tests.faults.schedule import HANDLERS
from tests.faults.seen import Seen
from tests.faults.sink import Mood
from tests.faults.world import World

__all__ = ["Numbers"]

_DEADLINE_S = 30.0


class Numbers:
    """Reads them, counts retries, and tells the oracle where the law is broken."""

    def __init__(self, world: World, oracle: Oracle, seen: Seen) -> None:
        self._world, self._oracle, self._seen = world, oracle, seen
        self._last: Mapping[tuple[str, str], float] = {}

    def begin(self) -> None:
        """A service has started, which counts from nought."""
        self._last = {}

    async def look(self) -> None:
        """Read them now."""
        own = await self._world.own()
        for name in HANDLERS:
            if left := own["telemetry_handler_unaccounted_rows", name]:
                self._oracle.faults.append(f"accounting: {left:g} rows of {name} unaccounted")
            key = "telemetry_handler_retries_total", name
            self._seen.retries += int(own.get(key, 0.0) - self._last.get(key, 0.0))
        self._last = own

    def damaged(self, handler: str) -> float:
        """Give how many of its rows the service has counted as damaged, when one looked last."""
        return self._last.get(("damaged", handler), 0.0)

    async def drained(self) -> None:
        """Let the sinks work until nothing is pending."""
        for sink in self._world.sinks.values():
            await sink.behave(Mood.WORK)

        async def nothing_pending() -> bool:
            await self.look()
            return not any(self._last["telemetry_handler_pending_rows", name] for name in HANDLERS)

        if not await holds_within(nothing_pending, _DEADLINE_S, interval_s=0.2):
            self._oracle.faults.append("liveness: rows stay pending though all sinks work")
