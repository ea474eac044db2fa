"""From the journal to one handler: read, hand over, commit in order, account for every row."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from random import Random

from telemetry.batch import Template
from telemetry.delivery.account import Account, Counts
from telemetry.delivery.condition import Condition
from telemetry.delivery.courier import Courier
from telemetry.delivery.gauges import Gauges
from telemetry.delivery.hand import Hand
from telemetry.delivery.letters import Letters
from telemetry.delivery.rate import Rate
from telemetry.delivery.status import State, Status
from telemetry.delivery.terms import Terms
from telemetry.journal import Journal
from telemetry.plugin import Adapter
from telemetry.rules import Select, everything
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Delivery"]

_POLL_S = 0.01


class Delivery:
    """Feeds one handler: `run` until cancelled. A batch is committed once each of its rows has found its fate.

    `run` may be cancelled at any await: what is counted then is done, what is not will be offered again. It may be
    run again, and goes on in the middle of a batch. `templates`: those that its rules may choose rows of; None means
    all that the adapter accepts. `adapter`, `select`, `terms` and `dead_letters` may be replaced
    at any time; a new concurrency counts from the next run on.
    """

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        journal: Journal,
        metrics: SelfMetrics,
        terms: Terms | None = None,
        *,
        templates: Collection[Template] | None = None,
        select: Select = everything,
        dead_letters: Letters | None = None,
        secrets: Collection[str] = (),
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.journal = journal
        self.metrics = metrics
        self._clock_ns = clock_ns
        self._counts, self._gauges = Counts(name, metrics), Gauges(name, metrics)
        self._gauges.begin()
        self._condition = Condition(name, secrets, clock_ns)
        self._courier = Courier(
            adapter=adapter,
            counts=self._counts,
            condition=self._condition,
            terms=terms or Terms(),
            select=select,
            keep=dead_letters,
            random=random or Random(),  # noqa: S311 - jitter, no secret
            sleep=sleep,
        )
        self._dead_letters = dead_letters
        self._rate = Rate()
        after = journal.attach(name, adapter.accepts if templates is None else templates, self.terms.on_full)
        self._hand = Hand(name, journal, lambda: self.terms, after)

    @property
    def adapter(self) -> Adapter:
        """The sink's end."""
        return self._courier.adapter

    @adapter.setter
    def adapter(self, adapter: Adapter) -> None:
        self._courier.adapter = adapter
        self._condition.begin_anew()

    @property
    def select(self) -> Select:
        """What the handler's rules choose."""
        return self._courier.select

    @select.setter
    def select(self, select: Select) -> None:
        self._courier.select = select

    @property
    def terms(self) -> Terms:
        """How it is served."""
        return self._courier.terms

    @terms.setter
    def terms(self, terms: Terms) -> None:
        self._courier.terms = terms

    @property
    def dead_letters(self) -> Letters | None:
        """Where rejected rows are kept; None drops them."""
        return self._dead_letters

    @dead_letters.setter
    def dead_letters(self, letters: Letters | None) -> None:
        self._dead_letters = self._courier.keep = letters

    @property
    def secrets(self) -> Collection[str]:
        """What is masked in all that the sink and its adapter say."""
        return self._condition.secrets

    @secrets.setter
    def secrets(self, secrets: Collection[str]) -> None:
        self._condition.secrets = secrets

    @property
    def last_error(self) -> str:
        """What the last failed export said; it stays."""
        return self._condition.last_error

    @property
    def failing(self) -> bool:
        """Whether the sink has not taken what it was offered last."""
        return self._condition.failing

    @property
    def unreachable(self) -> str:
        """Why the sink has never taken anything since its adapter was made; empty when it has, or was never asked."""
        return "" if self._condition.worked or not self.failing else self.last_error

    async def run(self) -> None:
        """Deliver for ever. Between its awaits the account is always balanced."""
        await self._hand.resume()
        workers = self.terms.concurrency
        # Its own, for rules and dead letters: what hangs in others' threads, or in these, costs nobody else anything.
        threads = ThreadPoolExecutor(workers, f"handler {self.name}")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(threads))
        finally:
            threads.shutdown(wait=False)

    async def delivered(self, *, unless_failing: bool = False) -> None:
        """Wait until nothing is pending and all of it is committed; or until the sink fails, where that is enough."""
        while self.journal.pending_rows(self.name) and not (unless_failing and self.failing):
            await asyncio.sleep(_POLL_S)

    def disown(self) -> None:
        """Part with a run that was cancelled and doesn't end: it counts nothing more, and `run` may be called anew."""
        self._hand.disown()
        self._courier.breaker = self._courier.breaker.disown()

    def retire(self) -> int:
        """End the handler for good, when `run` has ended; gives the rows that nobody will deliver now, and counts them.

        Its account can't be asked for afterwards.
        """
        pending = self.account().pending
        self.journal.detach(self.name)
        if pending:
            self._counts.drop(pending, "handler_removed")
        self._hand.drop()
        self._gauges.end()
        return pending

    def account(self) -> Account:
        """Where the handler's rows are now; sets its gauges too."""
        journal, name = self.journal, self.name
        self._counts.lose(journal.losses(name))
        pending = journal.pending_rows(name) - self._hand.settled_rows
        account = self._counts.account(journal.offered_rows(name), pending)
        self._gauges.account(account, self._lag_batches(), self._lag_s())
        self._rate.update(account.settled, self._clock_ns())
        if self._dead_letters is not None:
            self._dead_letters.measure()
        return account

    def status(self) -> Status:
        """How the handler stands, for people."""
        account = self.account()
        limits = self._courier.limits()
        return Status(
            handler=self.name,
            adapter=type(self.adapter).__name__,
            templates=tuple(sorted(self.adapter.accepts)),
            state=self._state(account.pending),
            cursor=self._hand.committed,
            lag_batches=self._lag_batches(),
            lag_s=self._lag_s(),
            in_hand=len(self._hand),
            rate_rows_per_s=self._rate.per_s,
            consecutive_failures=self._courier.breaker.failures,
            last_error=self._condition.last_error,
            last_error_ns=self._condition.last_error_ns,
            account=account,
            concurrency=self.terms.concurrency,
            max_rows=limits.rows,
            max_bytes=limits.size_bytes,
            dead_letters=self._dead_letters.place if self._dead_letters else None,
        )

    def _state(self, pending: int) -> State:
        if self._courier.breaker.open:
            return "circuit_open"
        if self._courier.breaker.failures:
            return "retrying"
        return "delivering" if pending else "idle"

    def _lag_batches(self) -> int:
        return self.journal.pending_batches(self.name) - self._hand.done

    def _lag_s(self) -> float:
        oldest_ns = self.journal.oldest_pending_ns(self.name)
        return 0.0 if oldest_ns is None else max(0.0, (self._clock_ns() - oldest_ns) / 1e9)

    async def _work(self, threads: Executor) -> None:
        while True:
            one = await self._hand.next()
            await self._courier.deliver(one, threads)
            await self._hand.commit()
