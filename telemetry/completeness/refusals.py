"""What we could not take or use ourselves: a reason for what is missing that is nobody else's."""

from collections.abc import Callable, Mapping

from telemetry.selfmetrics import SelfMetrics

__all__ = ["refusals_of"]


def refusals_of(metrics: SelfMetrics) -> Callable[[], Mapping[str, float]]:
    """Make the function that gives entries rejected, and messages and streams refused, by reason."""

    def refusals() -> Mapping[str, float]:
        # A message refused for its size or for overload is rejected by its entries, too: those are what is missing.
        samples = [
            sample
            for counter in (metrics.refused, metrics.rejected)
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        ]
        return {sample.labels["reason"]: sample.value for sample in samples}

    return refusals
