"""From the journal to one handler: read, export with a deadline, try again, count, commit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import structlog

from telemetry.batch import Batch
from telemetry.boundary import boundary
from telemetry.errors import Rejected, Retry
from telemetry.journal import Journal
from telemetry.plugin import Adapter
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Account", "Delivery", "Patience"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one export may take, and how long to wait between tries.

    There is no last try: the journal's size is the bound.
    """

    deadline_s: float = 10.0
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 30.0

    def backoff_s(self, attempt: int, random: Random) -> float:
        """Exponential, half of it jitter (attempt 1 is the first that failed)."""
        ceiling = min(self.max_backoff_s, self.initial_backoff_s * 2 ** min(attempt - 1, 30))
        return random.uniform(ceiling / 2, ceiling)


@dataclass(frozen=True, slots=True)
class Account:
    """The law for one handler, in rows: offered = delivered + dropped + pending."""

    offered: int
    delivered: int
    dropped: int
    pending: int

    @property
    def unaccounted(self) -> int:
        """What the law leaves over: 0, or there is a bug."""
        return self.offered - self.delivered - self.dropped - self.pending


@dataclass(slots=True)
class Delivery:
    """Feeds one handler. `run` until cancelled; a batch is committed once the sink has it or has rejected it."""

    name: str
    adapter: Adapter
    journal: Journal
    metrics: SelfMetrics
    patience: Patience = field(default_factory=Patience)
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    read_limit: int = 4
    last_error: str = ""
    _delivered: int = 0
    _dropped: int = 0
    _lost_seen: int = 0
    _after: int = 0

    def __post_init__(self) -> None:
        self._after = self.journal.attach(self.name, self.adapter.accepts)

    async def run(self) -> None:
        """Deliver for ever. Between its awaits the account is always balanced."""
        while True:
            for offset, batch in await self.journal.read(self.name, self._after, self.read_limit):
                taken = await self._deliver(batch)
                await self._settle(offset, len(batch.rows), taken=taken)

    def account(self) -> Account:
        """Where the handler's rows are now; sets its gauges too."""
        lost = self.journal.lost_rows(self.name)
        account = Account(
            offered=self.journal.offered_rows(self.name),
            delivered=self._delivered,
            dropped=self._dropped + lost,
            pending=self.journal.pending_rows(self.name),
        )
        self.metrics.dropped.labels(self.name, "journal_full").inc(lost - self._lost_seen)
        self._lost_seen = lost
        self.metrics.offered.labels(self.name).set(account.offered)
        self.metrics.pending.labels(self.name).set(account.pending)
        self.metrics.unaccounted.labels(self.name).set(account.unaccounted)
        return account

    async def _deliver(self, batch: Batch) -> bool:
        """Try until the sink has the batch (True) or rejects it (False)."""
        attempt = 0
        while True:
            error = await self._export(batch)
            if error is None or isinstance(error, Rejected):
                return error is None
            attempt += 1
            self.metrics.retries.labels(self.name).inc()
            asked_s = error.after_s if isinstance(error, Retry) else None
            await self.sleep(asked_s or self.patience.backoff_s(attempt, self.random))

    async def _export(self, batch: Batch) -> Exception | None:
        """Try once; gives what went wrong, None for nothing."""
        with boundary() as outcome, self.metrics.export_seconds.labels(self.name).time():
            try:
                async with asyncio.timeout(self.patience.deadline_s):
                    await self.adapter.export(batch)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                raise Retry("the adapter gave up on something that was cancelled") from error
        self._note(outcome.error, batch)
        return outcome.error

    def _note(self, error: Exception | None, batch: Batch) -> None:
        """Say it once when a handler begins to fail, when the failure changes, and when it works again."""
        said = f"{type(error).__name__}: {error}" if error else ""
        if said != self.last_error:
            about = {"handler": self.name, "template": batch.template.value, "rows": len(batch.rows)}
            if isinstance(error, Rejected):
                log.error("batch rejected; its rows are dropped", error=said, **about)
            elif error:
                log.warning("export failed; it will be tried again", error=said, **about)
            else:
                log.info("export works again", **about)
        self.last_error = said

    async def _settle(self, offset: int, rows: int, *, taken: bool) -> None:
        """Let go of the batch and count it, with no await in between that others could look in."""
        await self.journal.commit(self.name, offset)
        self._after = offset
        if taken:
            self._delivered += rows
            self.metrics.delivered.labels(self.name).inc(rows)
        else:
            self._dropped += rows
            self.metrics.dropped.labels(self.name, "rejected").inc(rows)
