"""One ratio per service and edge: how much of what can be borne is borne."""

from collections.abc import Callable
from dataclasses import dataclass

from telemetry.catalog import Capacity
from telemetry.saturation.headroom import Pressure

__all__ = ["Capacities", "Load", "saturation_ratio"]

Capacities = Callable[[str | None, str], Capacity | None]
"""Gives what a service (namespace, name) was sized for."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a service. Concurrency by Little's law: the sum of all requests' lives, per second."""

    requests_per_s: float
    concurrency: float


def saturation_ratio(load: Load, capacity: Capacity | None, pressure: Pressure | None = None) -> float | None:
    """Give the greatest share of a bound that is in use; 1 is full, more is beyond what was declared.

    Bounds are requests a second and concurrency of the catalog, and Envoy's circuit breakers. None: there is none. A
    breaker that overflows is full, whatever its gauge says.
    """
    ratios: list[float] = []
    if capacity and capacity.requests_per_second:
        ratios.append(load.requests_per_s / capacity.requests_per_second)
    if capacity and capacity.concurrency:
        ratios.append(load.concurrency / capacity.concurrency)
    if pressure and pressure.in_use_ratio is not None:
        ratios.append(pressure.in_use_ratio)
    if pressure and pressure.overflow_per_s > 0:
        ratios.append(1.0)
    return max(ratios, default=None)
