"""Hand one batch over: choose its rows, offer them until the sink has each or never will, count every one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from random import Random

import polars as pl

from telemetry.batch import Batch
from telemetry.boundary import boundary
from telemetry.delivery.account import Counts
from telemetry.delivery.breaker import Breaker
from telemetry.delivery.condition import Condition
from telemetry.delivery.consignment import Consignment, Refusal
from telemetry.delivery.letters import Keep
from telemetry.delivery.splitting import halves, limits_of, pieces
from telemetry.delivery.terms import Terms
from telemetry.delivery.verdict import Verdict, verdict
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.plugin import Adapter, Limits
from telemetry.rules import Select, Selected, everything

__all__ = ["Courier"]

_SAYS_OF_ROWS = (type(None), Partial, Rejected, TooLarge)


@dataclass(slots=True)
class Courier:
    """Serves one sink. Several consignments may be on their way at once; each is settled piece by piece.

    `adapter`, `select`, `terms` and `keep` may be replaced at any time: the next piece goes by the new ones.
    `keep` None counts what was rejected as dropped.
    """

    adapter: Adapter
    counts: Counts
    condition: Condition
    terms: Terms
    select: Select = everything
    keep: Keep | None = None
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.terms.patience.open_circuit_after)

    async def deliver(self, one: Consignment, threads: Executor | None = None) -> None:
        """Go on with the consignment until it is done. May be cancelled at any await, and called again.

        `threads` do what blocks. Where other handlers run they must not be asyncio's own (None), which calls of an
        adapter that hang may have taken.
        """
        if not one.chosen:
            await self._choose(one, threads)
        attempt = 0
        while not one.done:
            _obey()
            if one.refused:
                await self._bury(one, threads)
            else:
                attempt = await self._offer(one, attempt)
        _obey()

    def limits(self) -> Limits:
        """Give the most that one export may hold; what the settings say where the adapter's own limits are nonsense."""
        limits = self.terms.limits
        with boundary() as outcome:
            limits = limits_of(self.adapter, limits)
        if outcome.error is not None:
            self.condition.limits_failed(outcome.error)
        return limits

    async def _choose(self, one: Consignment, threads: Executor | None) -> None:
        """Leave out the rows that the handler's rules don't want."""
        batch, chosen = one.left[0], Selected(one.left[0])
        with boundary() as outcome:
            if self.select is not everything:
                chosen = await asyncio.get_running_loop().run_in_executor(threads, self.select, batch)
        kept = chosen.batch
        if outcome.error is not None or len(kept.rows) > len(batch.rows):
            said = self.condition.rules_failed(outcome.error or ValueError("they gave more rows than there were"))
            one.refused.append(Refusal(batch, [f"the rules failed: {said}"] * len(batch.rows), "rule_error"))
            kept = batch.slice(0, 0)
            left_out = sampled_out = 0
        else:
            left_out = len(batch.rows) - len(kept.rows)
            sampled_out = min(max(chosen.sampled_out, 0), left_out)
        one.left = deque(pieces(kept, self.limits()) if len(kept.rows) else ())
        one.chosen = True
        self.counts.leave_out(left_out - sampled_out, sampled_out)

    async def _offer(self, one: Consignment, attempt: int) -> int:
        """Offer the piece at the front once, and wait if it is to be tried again; gives the failures in a row."""
        async with self.breaker.turn() as seen:
            answer = await self._export(one)
            self._take_in(answer, seen)
            self._settle(one, answer)
            if not answer.retry:
                return 0
            _obey()
            attempt = 0 if answer.answered else attempt + 1
            self.counts.metrics.retries.labels(self.counts.handler).inc()
            failures = max(attempt, self.breaker.failures, 1)
            await self.sleep(self.terms.patience.wait_s(failures, answer.after_s, self.random))
            return attempt

    async def _export(self, one: Consignment) -> Verdict:
        """Try once with the piece at the front; gives what that means for its rows."""
        piece = one.left[0]
        with boundary() as outcome, self.counts.metrics.export_seconds.labels(self.counts.handler).time():
            await self._in_time(piece)
        try:
            if one.disowned:
                raise asyncio.CancelledError
            if not isinstance(outcome.error, _SAYS_OF_ROWS):
                _obey()  # what a cancellation was made into says nothing of the sink
            return self._judged(outcome.error, piece)
        finally:
            # The error knows this frame, which knows the error: both would keep the piece, and the request that was
            # made of it, until the garbage collector comes round.
            outcome.error = None

    def _judged(self, error: Exception | None, piece: Batch) -> Verdict:
        """Give what an export that ended so means for the rows."""
        rows = len(piece.rows)
        said = self.condition.note(error, rows=rows, template=piece.template.value)
        answer = Verdict()
        with boundary() as judged:  # of what a stranger says, any part may be nonsense
            answer = verdict(error, rows, said)
        return verdict(judged.error, rows, said) if judged.error else answer

    async def _in_time(self, piece: Batch) -> None:
        """Export within the deadline. Raises what the adapter raises, Retry for a cancellation that isn't ours."""
        deadline_s = self.terms.patience.deadline_s
        limit = asyncio.timeout(deadline_s)
        try:
            async with limit:
                await self.adapter.export(piece)
        except TimeoutError as error:
            if limit.expired():
                raise Retry(f"no answer within {deadline_s:g} s (delivery.deadline)") from error
            raise
        except (asyncio.CancelledError, BaseExceptionGroup) as error:
            task = asyncio.current_task()
            if task is None or not _cancelled(error):
                raise
            if task.cancelling():
                raise asyncio.CancelledError from error  # a group would end our own group, not us
            raise Retry("the adapter gave up on something that was cancelled") from error

    def _take_in(self, answer: Verdict, seen: int) -> None:
        """Open or close the circuit."""
        breaker, was_open = self.breaker, self.breaker.open
        breaker.threshold = self.terms.patience.open_circuit_after
        breaker.answered() if answer.answered else breaker.failed(seen)
        handler, metrics = self.counts.handler, self.counts.metrics
        metrics.consecutive_failures.labels(handler).set(breaker.failures)
        metrics.circuit_open.labels(handler).set(breaker.open)
        if breaker.open != was_open:
            pause_s = self.terms.patience.max_backoff_s
            self.condition.circuit(is_open=breaker.open, failures=breaker.failures, pause_s=pause_s)

    def _settle(self, one: Consignment, answer: Verdict) -> None:
        """Count what the sink has, and put back the rest: one step, with no await in it."""
        piece = one.left[0]
        if answer.split:
            self.counts.metrics.too_large.labels(self.counts.handler).inc()
            one.put_back(halves(piece))
            return
        rows = len(piece.rows)
        if len(answer.retry) == rows:
            return
        if answer.rejected:
            at = sorted(answer.rejected)
            one.refused.append(Refusal(_rows(piece, at), [answer.rejected[position] for position in at]))
        one.put_back([_rows(piece, answer.retry)])
        self.counts.deliver(rows - len(answer.retry) - len(answer.rejected))

    async def _bury(self, one: Consignment, threads: Executor | None) -> None:
        """Make dead letters of what was refused. Once begun it ends, cancelled or not: no file without its count."""
        refusal = one.refused[0]
        if self.keep is None:
            one.refused.popleft()
            self.counts.drop(len(refusal.batch.rows), refusal.counted_as)
            return
        shown = {reason: self.condition.fit_to_show(reason) for reason in set(refusal.reasons)}
        reasons = [shown[reason] for reason in refusal.reasons]
        writing = asyncio.get_running_loop().run_in_executor(threads, self.keep, refusal.batch, reasons)
        try:
            await asyncio.wait([writing])
        finally:
            if not writing.done():
                await asyncio.wait([writing])
            if one.disowned:
                raise asyncio.CancelledError
            one.refused.popleft()
            self._buried(len(refusal.batch.rows), writing.exception())

    def _buried(self, rows: int, error: BaseException | None) -> None:
        if error is None:
            self.counts.dead_letter(rows)
            return
        self.counts.drop(rows, "dead_letter_failed")
        self.condition.letters_failed(error, rows)


def _obey() -> None:
    """Raise CancelledError if an adapter has swallowed a cancellation that was meant for us."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _cancelled(error: BaseException) -> bool:
    """Whether it is a cancellation, or a group with one in it and nothing that is meant for the process."""
    if not isinstance(error, BaseExceptionGroup):
        return isinstance(error, asyncio.CancelledError)
    cancelled, rest = error.split(asyncio.CancelledError)
    return cancelled is not None and (rest is None or isinstance(rest, Exception))


def _rows(batch: Batch, positions: Sequence[int]) -> Batch:
    """Give the rows at these positions; all of them, or none, without copying."""
    if len(positions) in {0, len(batch.rows)}:
        return batch.slice(0, len(positions))
    return batch.take(pl.Series(positions, dtype=pl.UInt32))
