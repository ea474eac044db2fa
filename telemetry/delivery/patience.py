"""How long an export may take, and how long to wait for the next try."""

import math
from dataclasses import dataclass
from random import Random

__all__ = ["Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """There is no last try: the journal's size is the bound.

    `max_retry_after_s` bounds what a sink may ask for; after `open_circuit_after` failures in a row only one batch at
    a time probes the sink, at the longest pause.
    """

    deadline_s: float = 10.0
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 30.0
    max_retry_after_s: float = 300.0
    open_circuit_after: int = 10

    def wait_s(self, attempt: int, asked_s: float | None, random: Random) -> float:
        """How long to wait after the try that failed as the `attempt`th in a row (from 1), given what the sink asked.

        A sink that names a time gets it, within bounds: never at once, which would be a storm, and never for ever.
        """
        if not isinstance(asked_s, int | float) or math.isnan(asked_s) or asked_s <= 0:
            return self.backoff_s(attempt, random)
        return min(max(asked_s, self.initial_backoff_s), max(self.max_retry_after_s, self.initial_backoff_s))

    def backoff_s(self, attempt: int, random: Random) -> float:
        """Exponential, half of it jitter (attempt 1 is the first that failed; from open_circuit_after on, the longest).

        Half, not all: a sink that is down must not be asked again at once however the dice fall.
        """
        doubled = self.initial_backoff_s * 2.0 ** min(attempt - 1, 60)
        ceiling = self.max_backoff_s if attempt >= self.open_circuit_after else min(self.max_backoff_s, doubled)
        return random.uniform(ceiling / 2, ceiling)
