"""The terms that one handler is served on."""

from dataclasses import dataclass, field

from telemetry.config.handlers import DeliverySettings
from telemetry.delivery.patience import Patience
from telemetry.journal import OnFull
from telemetry.plugin import Limits

__all__ = ["Terms", "terms_of"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient, how many batches at once, how large, and what happens when the journal is full.

    `read_limit` batches are taken from the journal at a time, and are in memory until their turn comes.
    """

    patience: Patience = field(default_factory=Patience)
    concurrency: int = 1
    limits: Limits = field(default_factory=Limits)
    on_full: OnFull = "drop_oldest"
    read_limit: int = 4

    @property
    def window(self) -> int:
        """Batches that may be in hand, those done included that wait for an earlier one to be committed.

        What is done and not committed is delivered again after a crash: this bounds it.
        """
        return max(self.read_limit, 16 * self.concurrency)


def terms_of(settings: DeliverySettings, on_full: OnFull = "drop_oldest") -> Terms:
    """Give the terms that the settings of a handler name; `on_full` is the journal's, for handlers that say nothing."""
    patience = Patience(
        deadline_s=settings.deadline_s,
        initial_backoff_s=settings.initial_backoff_s,
        max_backoff_s=settings.max_backoff_s,
        max_retry_after_s=settings.max_retry_after_s,
        open_circuit_after=settings.open_circuit_after,
    )
    return Terms(
        patience=patience,
        concurrency=settings.concurrency,
        limits=Limits(settings.max_rows, settings.max_bytes),
        on_full=settings.on_full or on_full,
    )
