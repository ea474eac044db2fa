"""What Envoys themselves say of their room: to be had from their metrics."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Headroom", "Pressure"]


@dataclass(frozen=True, slots=True)
class Pressure:
    """How Envoys' circuit breakers toward one service stand now, over all Envoys that report.

    `in_use_ratio`: of the fullest breaker, what is in use of its limit; None when the limits aren't known. `pending`:
    requests that wait for a connection. `overflow_per_s`: requests and connections refused for lack of room.
    """

    in_use_ratio: float | None = None
    pending: float = 0.0
    overflow_per_s: float = 0.0


class Headroom(Protocol):
    """Who reads Envoys' metrics."""

    def pressure(self, namespace: str | None, service: str) -> Pressure | None:
        """Give the state of the breakers toward a service; None when no Envoy tells of it. Quick, from any thread."""
