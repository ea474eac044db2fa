"""What a handler's gauges show."""

from dataclasses import dataclass

from prometheus_client import Gauge

from telemetry.delivery.account import Account
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Gauges"]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The gauges of one handler."""

    handler: str
    metrics: SelfMetrics

    def begin(self) -> None:
        """Show every series from the start: an alert sees only what rises from something."""
        metrics, name = self.metrics, self.handler
        for gauge in self._all():
            gauge.labels(name)
        for counter in (
            metrics.delivered, metrics.filtered, metrics.sampled_out, metrics.dead_lettered, metrics.retries,
            metrics.too_large,
        ):  # fmt: skip
            counter.labels(name)

    def account(self, account: Account, lag_batches: int, lag_s: float) -> None:
        """Show where the rows are."""
        metrics, name = self.metrics, self.handler
        metrics.offered.labels(name).set(account.offered)
        metrics.pending.labels(name).set(account.pending)
        metrics.unaccounted.labels(name).set(account.unaccounted)
        metrics.lag_batches.labels(name).set(lag_batches)
        metrics.lag_seconds.labels(name).set(lag_s)

    def end(self) -> None:
        """Show nothing more: an alert must not go on about a handler that is no more."""
        for gauge in self._all():
            gauge.remove(self.handler)

    def _all(self) -> tuple[Gauge, ...]:
        metrics = self.metrics
        account = (metrics.offered, metrics.pending, metrics.unaccounted)
        condition = (metrics.consecutive_failures, metrics.circuit_open)
        return *account, *condition, metrics.lag_batches, metrics.lag_seconds
