"""What a plugin is: the page that its author reads.

A **processor** turns batches into batches while they pass. An **adapter** hands batches to a back end. Both are
found by entry points (`telemetry.processors`, `telemetry.adapters`), ours and yours by the same road.

    class Printer(AbstractAsyncContextManager):
        class Config(BaseModel):
            model_config = ConfigDict(extra="forbid", frozen=True)
            limit: int = Field(10, description="Rows to print of each batch.")

        accepts = frozenset({Template.LOGENTRY})

        def __init__(self, config: Config) -> None:
            self._config = config

        async def __aexit__(self, *_: object) -> None:
            pass

        async def export(self, batch: Batch) -> None:
            print(batch.rows.head(self._config.limit))

docs/adapters/writing-your-own.md goes on from here; `telemetry new adapter` writes a package, `telemetry.testing` has
the contract that its tests run.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from telemetry.batch import Batch, Template

__all__ = ["Adapter", "Count", "Counting", "Limited", "Limits", "Processor", "Scraped"]


class Processor(Protocol):
    """Turns batches into batches: synchronous, no I/O, no clock of its own.

    One thread calls it, one call at a time, so it may keep state without locks; the state must be bounded.
    """

    @property
    def reads(self) -> Collection[str]:
        """The attributes that it looks at in LOGENTRY rows. Where no handler takes LOGENTRY, others may be null."""

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give what takes this batch's place: itself, itself changed (a new frame), more, or nothing."""

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give what has become due by `now_ns`; called at least once a second, and at the end."""


class Adapter(AbstractAsyncContextManager[Any], Protocol):
    """Hands batches to one back end. Made as `Adapter(Config(...))`; entered before, left after use.

    Entering must succeed without the back end: an absent sink is a `Retry` of export, not a failed start.
    """

    Config: ClassVar[type[BaseModel]]
    accepts: ClassVar[frozenset[Template]]

    async def export(self, batch: Batch) -> None:
        """Return when the back end has every row of the batch.

        Raises Retry when the back end may take it later, Rejected when it never will, TooLarge when it takes less at
        a time, Partial when it took only some of the rows; any other exception counts as Retry. It may be cancelled
        at its deadline and called again with the same batch, or with the rows of it that are still to be taken: who
        must not have a row twice tells it by `batch.receiver`, `.epoch`, `.sequence` and `.row_numbers`.
        """


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a back end takes in one export; batches are split before. None: any number."""

    rows: int | None = None
    size_bytes: int | None = None
    """Of the rows in memory (`Batch.size_bytes`), which is near to what most encodings make of them."""


@runtime_checkable
class Limited(Protocol):
    """What an adapter has besides when its back end takes only so much at a time."""

    @property
    def limits(self) -> Limits:
        """The most that one export may hold; a handler's `delivery` settings may lower it."""


@runtime_checkable
class Scraped(Protocol):
    """What an adapter has besides when its back end comes to fetch: its text joins the `/metrics` page.

    There is one page, and on it one handler with such an adapter.
    """

    def exposition(self, *, openmetrics: bool) -> Iterator[bytes]:
        """Yield the page in pieces of bounded size, without the closing `# EOF`; never blocks an export."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number that an adapter keeps of itself; the page adds the label `handler`."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Counting(Protocol):
    """What an adapter has besides when it counts what delivery can't see: series it holds, rows refused late."""

    def counts(self) -> Iterable[Count]:
        """Give the numbers as they are now, under names that begin with `telemetry_`; asked at each scrape."""
