"""How fast error budgets burn, counted request by request, over the usual pairs of windows.

Source of the pairs: The Site Reliability Workbook, chapter 5, "Alerting on SLOs", table 5-8.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from telemetry.catalog import Service
from telemetry.edges import Reader, Window
from telemetry.health.kiali import Status

__all__ = ["PAIRS", "Burn", "Pair", "burns"]

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows in which the budget burns at least so many times as fast as it may: `status` is what that means."""

    short_s: int
    long_s: int
    rate: float
    status: Status


PAIRS = (
    Pair(5 * _MINUTE_S, _HOUR_S, 14.4, Status.FAILURE),
    Pair(30 * _MINUTE_S, 6 * _HOUR_S, 6.0, Status.FAILURE),
    Pair(6 * _HOUR_S, 3 * _DAY_S, 1.0, Status.DEGRADED),
)


@dataclass(frozen=True, slots=True)
class Burn:
    """One objective of a service: what is promised, and how fast the budget for missing it burns.

    `threshold_s`: None for availability. `rates`: by window in seconds, how many times as fast as the budget allows;
    None without requests. `spent_ratio`: share of the budget that is gone, over the objective's own window as far as
    edges are kept.
    """

    threshold_s: float | None
    allowed_ratio: float
    rates: Mapping[int, float | None]
    firing: tuple[Pair, ...]
    spent_ratio: float | None

    @property
    def status(self) -> Status:
        """Healthy, or the worst of the pairs that burn too fast."""
        return max((pair.status for pair in self.firing), default=Status.HEALTHY)


def burns(reader: Reader, services: Sequence[Service], now_s: float) -> dict[str, list[Burn]]:
    """Give the burn of each objective by service (its key in the catalog)."""
    promising = [service for service in services if service.objectives]
    own = {int(service.objectives.window_s) for service in promising if service.objectives}
    spans = sorted({span for pair in PAIRS for span in (pair.short_s, pair.long_s)} | own) if promising else []
    counts = {span: _counts(reader, Window(now_s - span, now_s)) for span in spans}
    return {service.key: list(_burns_of(service, counts)) for service in promising}


_Counts = Mapping[tuple[str | None, str | None, float | None], tuple[float, float]]


def _counts(reader: Reader, window: Window) -> _Counts:
    sums = reader.summed("promises", reader.aligned(window))
    rows = sums.select("namespace", "name", pl.col("threshold_ms").round(6), "bad", "total").iter_rows()
    found: dict[tuple[str | None, str | None, float | None], tuple[float, float]] = {}
    for namespace, name, threshold_ms, bad, total in rows:
        # A service that the catalog has without namespace is of any.
        for space in {namespace, None}:
            before = found.get((space, name, threshold_ms), (0, 0))
            found[space, name, threshold_ms] = before[0] + bad, before[1] + total
    return found


def _burns_of(service: Service, counts: Mapping[int, _Counts]) -> Iterator[Burn]:
    objectives = service.objectives
    if objectives is None:
        return
    if objectives.max_error_ratio is not None:
        yield _burn(service, None, objectives.max_error_ratio, counts, int(objectives.window_s))
    for share, limit_s in objectives.latency.targets if objectives.latency else ():
        yield _burn(service, limit_s, round(1 - share, 9), counts, int(objectives.window_s))


def _burn(
    service: Service, threshold_s: float | None, allowed: float, counts: Mapping[int, _Counts], own_s: int
) -> Burn:  # fmt: skip
    threshold_ms = None if threshold_s is None else round(threshold_s * 1000, 6)

    def rate(span: int) -> float | None:
        bad, total = counts[span].get((service.namespace, service.name, threshold_ms), (0, 0))
        if not total:
            return None
        return bad / total / allowed if allowed else float("inf") * bad if bad else 0.0

    rates = {span: rate(span) for pair in PAIRS for span in (pair.short_s, pair.long_s)}
    firing = tuple(
        pair for pair in PAIRS if (rates[pair.short_s] or 0) >= pair.rate and (rates[pair.long_s] or 0) >= pair.rate
    )
    return Burn(threshold_s, allowed, rates, firing, rate(own_s))
