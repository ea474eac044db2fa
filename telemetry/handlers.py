"""The handlers that run: each an adapter, the delivery that feeds it, and its task."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from telemetry.batch import Template
from telemetry.delivery import Delivery, Letters, Terms
from telemetry.keeping import Keeper
from telemetry.plugin import Adapter
from telemetry.rules import Select

__all__ = ["Handlers", "Outfit", "Prepared"]

log = structlog.get_logger(__name__)

# For its task to end, and for its adapter to be left: a reload waits for it, and so does the end of the service.
_LEAVE_S = 5.0


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a handler is given by the configuration.

    `made_of`: what its adapter is made of; another adapter is made only when it differs. `deliver` makes its delivery.
    """

    made_of: object
    make: Callable[[], Adapter]
    deliver: Callable[[Adapter], Delivery]
    templates: frozenset[Template]
    terms: Terms
    select: Select
    letters: Letters | None
    secrets: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Running:
    outfit: Outfit
    delivery: Delivery
    keeper: Keeper
    task: asyncio.Task[None]


@dataclass(slots=True)
class Prepared:
    """A set of handlers that could run: the adapters that it needs beyond those that run are entered already."""

    outfits: Mapping[str, Outfit]
    leave_s: float = _LEAVE_S
    entered: dict[str, Keeper] = field(default_factory=dict)

    async def abandon(self) -> None:
        """Leave what was entered: this set won't run."""
        for keeper in self.entered.values():
            await keeper.leave(self.leave_s)


class Handlers:
    """The set of handlers, which a reload changes as a difference. `ended` is told of a task that ended by itself.

    What an adapter does with its cancellation is not ours to say: each is waited for no longer than `leave_s`.
    """

    def __init__(self, ended: Callable[[asyncio.Task[None]], None], leave_s: float = _LEAVE_S) -> None:
        self._ended = ended
        self._leave_s = leave_s
        self._running: dict[str, _Running] = {}

    @property
    def deliveries(self) -> list[Delivery]:
        """Give those that run, in the order of the configuration."""
        return [one.delivery for one in self._running.values()]

    async def prepare(self, outfits: Mapping[str, Outfit]) -> Prepared:
        """Enter the adapters that those outfits need and that do not run yet.

        Raises what an adapter raises when it is made or entered; nothing has changed then.
        """
        prepared = Prepared(outfits, self._leave_s)
        try:
            for name, outfit in outfits.items():
                if name not in self._running or self._running[name].outfit.made_of != outfit.made_of:
                    keeper = Keeper(name, outfit.make())
                    await keeper.enter(self._leave_s)
                    prepared.entered[name] = keeper
        except BaseException:
            await prepared.abandon()
            raise
        return prepared

    async def apply(self, prepared: Prepared) -> None:
        """Let that set run in place of the one that does. Handlers that are in both keep their cursors and accounts."""
        for name in [name for name in self._running if name not in prepared.outfits]:
            await self._remove(name)
        for name, outfit in prepared.outfits.items():
            keeper = prepared.entered.get(name)
            if name in self._running and keeper is not None and not self._goes_on(name, keeper.adapter):
                await self._remove(name)
            if name in self._running:
                await self._change(self._running[name], outfit, keeper)
            elif keeper is not None:
                self._start(name, outfit, keeper)
        self._running = {name: self._running[name] for name in prepared.outfits}

    async def stop(self) -> None:
        """End all tasks, then leave the adapters."""
        await self._end(self._running.values())
        for one in self._running.values():
            await one.keeper.leave(self._leave_s)

    async def delivered(self, *, unless_failing: bool) -> None:
        """Wait until nothing is pending anywhere; or where it is only at sinks that fail, if that is enough."""
        for delivery in self.deliveries:
            await delivery.delivered(unless_failing=unless_failing)

    def _start(self, name: str, outfit: Outfit, keeper: Keeper) -> None:
        delivery = outfit.deliver(keeper.adapter)
        self._running[name] = _Running(outfit, delivery, keeper, self._run(delivery))

    def _goes_on(self, name: str, adapter: Adapter) -> bool:
        """Whether the handler's cursor serves this adapter, too: it must want the same templates."""
        return frozenset(adapter.accepts) == frozenset(self._running[name].delivery.adapter.accepts)

    async def _change(self, one: _Running, outfit: Outfit, keeper: Keeper | None) -> None:
        """Give a handler its new outfit; it pauses only when its adapter or its terms are others."""
        delivery = one.delivery
        pauses = keeper is not None or outfit.terms != one.outfit.terms
        if pauses:
            await self._end([one])
        if (outfit.templates, outfit.terms.on_full) != (one.outfit.templates, one.outfit.terms.on_full):
            delivery.journal.change(delivery.name, outfit.templates, outfit.terms.on_full)
        # Those before, too: errors of the adapter before may still come.
        delivery.secrets = outfit.secrets | one.outfit.secrets
        delivery.terms, delivery.select, delivery.dead_letters = outfit.terms, outfit.select, outfit.letters
        if keeper is not None:
            await one.keeper.leave(self._leave_s)
            delivery.adapter, one.keeper = keeper.adapter, keeper
        if pauses:
            one.task = self._run(delivery)
        one.outfit = outfit

    async def _remove(self, name: str) -> None:
        one = self._running.pop(name)
        await self._end([one])
        await one.keeper.leave(self._leave_s)
        if left := one.delivery.retire():
            log.warning("handler removed; rows that it had yet to take are given up", handler=name, rows=left)

    def _run(self, delivery: Delivery) -> asyncio.Task[None]:
        task = asyncio.create_task(delivery.run(), name=f"handler {delivery.name}")
        task.add_done_callback(self._ended)
        return task

    async def _end(self, some: Iterable[_Running]) -> None:
        """Cancel what runs and wait for its end; what goes on all the same is left behind, and said."""
        ending = list(some)
        for one in ending:
            one.task.remove_done_callback(self._ended)
            one.task.add_done_callback(_look_at)
            one.task.cancel()
        if not ending:
            return
        _, late = await asyncio.wait([one.task for one in ending], timeout=self._leave_s)
        for one in ending:
            if one.task in late:
                one.delivery.disown()
                log.error(
                    "a handler does not end, as its adapter goes on though its export is cancelled (or a disk hangs); "
                    "it is left behind, and what it was at is offered again",
                    handler=one.delivery.name, waited_s=self._leave_s,
                )  # fmt: skip


def _look_at(task: asyncio.Task[None]) -> None:
    """Take in how a task ended that nobody waits for: it is not to be said once more."""
    if not task.cancelled():
        task.exception()
