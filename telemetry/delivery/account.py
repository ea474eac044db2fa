"""Where a handler's rows are: the law, and the counts behind it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.journal import Loss
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Account", "Counts"]


@dataclass(frozen=True, slots=True)
class Account:
    """The law for one handler, in rows.

    offered = delivered + filtered + sampled_out + dropped + dead_lettered + pending; `dropped_by` gives the dropped
    ones by reason.
    """

    offered: int
    delivered: int = 0
    filtered: int = 0
    sampled_out: int = 0
    dead_lettered: int = 0
    dropped_by: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0

    @property
    def dropped(self) -> int:
        """Rows given up, for whatever reason."""
        return sum(self.dropped_by.values())

    @property
    def settled(self) -> int:
        """Rows whose fate is known."""
        return self.delivered + self.filtered + self.sampled_out + self.dropped + self.dead_lettered

    @property
    def unaccounted(self) -> int:
        """What the law leaves over: 0, or there is a bug."""
        return self.offered - self.settled - self.pending

    def __str__(self) -> str:
        dropped = ", ".join(f"{reason} {rows}" for reason, rows in sorted(self.dropped_by.items()))
        return (
            f"offered {self.offered}, delivered {self.delivered}, filtered {self.filtered}, "
            f"sampled out {self.sampled_out}, dead-lettered {self.dead_lettered}, "
            f"dropped {self.dropped}{f' ({dropped})' if dropped else ''}, pending {self.pending}"
        )


@dataclass(slots=True)
class Counts:
    """What has become of one handler's rows so far; each change is one step, in the metrics too."""

    handler: str
    metrics: SelfMetrics
    delivered: int = 0
    filtered: int = 0
    sampled_out: int = 0
    dead_lettered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _lost: Counter[str] = field(default_factory=Counter)

    def deliver(self, rows: int) -> None:
        """Count rows that the sink has."""
        self.delivered += rows
        self.metrics.delivered.labels(self.handler).inc(rows)

    def leave_out(self, filtered: int, sampled_out: int) -> None:
        """Count rows that the handler's rules did not want."""
        self.filtered += filtered
        self.sampled_out += sampled_out
        self.metrics.filtered.labels(self.handler).inc(filtered)
        self.metrics.sampled_out.labels(self.handler).inc(sampled_out)

    def dead_letter(self, rows: int) -> None:
        """Count rows that lie in a file now, for someone to look at."""
        self.dead_lettered += rows
        self.metrics.dead_lettered.labels(self.handler).inc(rows)

    def drop(self, rows: int, reason: str) -> None:
        """Count rows that are gone."""
        self.dropped[reason] += rows
        self.metrics.dropped.labels(self.handler, reason).inc(rows)

    def lose(self, losses: Iterable[Loss]) -> None:
        """Take over what the journal says was lost since the handler was attached: all of it, at each call."""
        lost: Counter[str] = Counter()
        for loss in losses:
            lost[loss.reason] += loss.rows
        for reason, rows in lost.items():
            self.metrics.dropped.labels(self.handler, reason).inc(max(0, rows - self._lost[reason]))
        self._lost = lost

    def account(self, offered: int, pending: int) -> Account:
        """Draw up the account."""
        return Account(
            offered=offered,
            delivered=self.delivered,
            filtered=self.filtered,
            sampled_out=self.sampled_out,
            dead_lettered=self.dead_lettered,
            dropped_by=dict(self.dropped + self._lost),
            pending=pending,
        )
