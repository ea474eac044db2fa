"""What the contract's tests are told of an adapter, and the few steps that they are made of."""

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, NoReturn

import pytest

from telemetry.batch import Batch, Template
from telemetry.boundary import boundary
from telemetry.delivery.splitting import halves, limits_of, pieces
from telemetry.errors import TooLarge
from telemetry.plugin import Adapter, Limits
from telemetry.testing.batches import marks
from telemetry.testing.sink import Behaviour, Feature, Sink

__all__ = ["Subject", "error_of", "offer", "within"]

PATIENCE_S = 20.0
"""So long a test waits for what must happen: far longer than it takes."""


class Subject:
    """The adapter under test. A subclass says `adapter_class`, `make` and the fixture `sink`."""

    adapter_class: ClassVar[type[Adapter]]
    cannot: ClassVar[Mapping[Behaviour | Feature, str]] = {}
    """What the back end can't do, and why. Tests of it are reported as expected failures with that reason."""
    secrets: ClassVar[Collection[str]] = ()
    """The secrets that `make` configures: no message may show them."""
    huge_rows: ClassVar[int] = 20_000

    def __init_subclass__(cls) -> None:
        """Have asynchronous tests run whatever pytest-asyncio's mode is, the author's own too."""
        super().__init_subclass__()
        for name, member in vars(cls).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(member):
                pytest.mark.asyncio(member)

    @pytest.fixture
    def sink(self) -> Sink:
        """Give the back end, fresh for each test and working. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `sink`: see telemetry.testing.Sink")

    def make(self, sink: Any) -> Adapter:  # noqa: ANN401 - each adapter's own kind of sink
        """Make the adapter on that sink, not entered. Called again, it gives another one, as after a restart."""
        raise NotImplementedError(f"{type(self).__name__} needs a method `make(sink)` that gives the adapter")

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run what is asked of a template for each one that the adapter accepts."""
        if "template" in metafunc.fixturenames:
            metafunc.parametrize("template", sorted(cls.adapter_class.accepts))

    @asynccontextmanager
    async def entered(self, sink: Sink) -> AsyncIterator[Adapter]:
        """Enter an adapter as the service does, within bounds of time."""
        adapter = self.make(sink)
        async with asyncio.timeout(PATIENCE_S):
            await adapter.__aenter__()
        try:
            yield adapter
        finally:
            async with asyncio.timeout(PATIENCE_S):
                await adapter.__aexit__(None, None, None)

    async def behave(self, sink: Sink, behaviour: Behaviour) -> None:
        """Have the sink do so, or end the test as declared."""
        self.needs(behaviour)
        await sink.behave(behaviour)

    def needs(self, ability: Behaviour | Feature) -> None:
        """End the test here when it is declared that this can't be done."""
        if ability in self.cannot:
            self._declared(ability)

    def _declared(self, ability: Behaviour | Feature) -> NoReturn:
        reason = self.cannot[ability]
        assert reason.strip(), f"cannot[{ability!r}] needs a reason"
        pytest.xfail(f"declared: {self.adapter_class.__name__}'s back end can't {ability.value}: {reason}")

    async def has(self, sink: Sink, *batches: Batch) -> None:
        """Assert that the sink has every row of these batches once, and no other."""
        assert Counter(await sink.taken()) == Counter(mark for batch in batches for mark in marks(batch))

    async def has_at_least_once(self, sink: Sink, *batches: Batch) -> None:
        """Assert that the sink has every row of these batches, and no other."""
        assert set(await sink.taken()) == {mark for batch in batches for mark in marks(batch)}

    async def tells(self, sink: Sink, *batches: Batch) -> None:
        """Assert that the sink has these rows, and that each has one identity, which is no other's."""
        await self.has_at_least_once(sink, *batches)
        pairs = set(zip(await sink.taken(), await sink.identities(), strict=True))
        expected = sum(len(batch.rows) for batch in batches)
        assert (len(pairs), len({identity for _, identity in pairs})) == (expected, expected)

    def templates(self) -> list[Template]:
        """Give what the adapter accepts, in the order of their names."""
        return sorted(self.adapter_class.accepts)


async def offer(adapter: Adapter, batch: Batch) -> None:
    """Export the batch in as many pieces as the adapter's limits make of it; raises what the first failure raised."""
    cut = pieces(batch, limits_of(adapter, Limits())) if len(batch.rows) else [batch]
    for piece in cut:
        await _offer_piece(adapter, piece)


async def _offer_piece(adapter: Adapter, batch: Batch) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await adapter.export(batch)
    except TooLarge:
        if len(batch.rows) == 1:
            raise
        for half in halves(batch):
            await _offer_piece(adapter, half)


async def error_of(adapter: Adapter, batch: Batch, *, deadline_s: float = PATIENCE_S) -> Exception | None:
    """Export once; gives what went wrong, a TimeoutError at the deadline, None for nothing."""
    with boundary() as outcome:
        async with asyncio.timeout(deadline_s):
            await adapter.export(batch)
    return outcome.error


async def within(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until it holds. Raises TimeoutError when it doesn't in time."""
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.002)
