"""Health of requests as Kiali computes it: kiali/kiali, business/health_calculator.go and models/health.go.

Kept to the letter: thresholds are inclusive, a degraded threshold of 0 means any error, each tolerance is measured
against all requests of its protocol, and the worst of all counts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["DEFAULT_TOLERANCES", "Codes", "Health", "Status", "Tolerance", "combined", "request_health"]

Codes = Mapping[str, Mapping[str, float]]
"""Requests by protocol and code; the code is the HTTP status, gRPC's status, or `-` where no response was."""


class Status(IntEnum):
    """Kiali's words, by its priority: the greater is the worse."""

    NA = 0
    HEALTHY = 1
    NOT_READY = 2
    DEGRADED = 3
    FAILURE = 4

    def __str__(self) -> str:
        return {"NA": "NA", "NOT_READY": "Not Ready"}.get(self.name, self.name.capitalize())


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many percent of requests may have such a code. Patterns need not match the whole; X is a digit."""

    code: str
    protocol: str
    direction: str = ".*"
    degraded_percent: float = 0.0
    failure_percent: float = 0.0

    def is_of(self, protocol: str, direction: str) -> bool:
        """Whether it applies there."""
        return bool(re.search(self.protocol, protocol) and re.search(self.direction, direction))

    def is_error(self, code: str) -> bool:
        """Whether the code is one of those meant."""
        return bool(re.search(re.sub("[Xx]", r"\\d", self.code), code))

    def status(self, error_percent: float) -> Status:
        """Judge a share of errors."""
        if error_percent <= 0:
            return Status.HEALTHY
        if self.failure_percent > 0 and error_percent >= self.failure_percent:
            return Status.FAILURE
        return Status.DEGRADED if error_percent >= self.degraded_percent else Status.HEALTHY


DEFAULT_TOLERANCES = (
    Tolerance("5XX", "http", failure_percent=10),
    Tolerance("4XX", "http", degraded_percent=10, failure_percent=20),
    Tolerance("^[1-9]$|^1[0-6]$", "grpc", failure_percent=10),
    Tolerance("^-$", "http|grpc", failure_percent=10),
)
"""Kiali's AddHealthDefault."""


@dataclass(frozen=True, slots=True)
class Health:
    """A status, and the share of errors that led to it, in percent; None without traffic."""

    status: Status
    error_percent: float | None


def combined(source: Codes, destination: Codes) -> Codes:
    """Make one of what both reporters say of inbound requests: for each code the greater number."""
    protocols = {*source, *destination}
    return {one: _greater(source.get(one, {}), destination.get(one, {})) for one in protocols}


def _greater(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    return {code: max(one.get(code, 0.0), other.get(code, 0.0)) for code in {*one, *other}}


def request_health(
    inbound: Codes, outbound: Codes, tolerances: Sequence[Tolerance] = DEFAULT_TOLERANCES
) -> Health:  # fmt: skip
    """Judge requests to a subject and from it: the worst counts."""
    judged = [
        (tolerance.status(percent), percent)
        for direction, traffic in (("inbound", inbound), ("outbound", outbound))
        for tolerance, percent in _errors(traffic, direction, tolerances)
    ]
    if not judged:
        return Health(Status.NA, None)
    # The first of equals, as Kiali's strict comparison leaves it.
    status = max(status for status, _ in judged)
    return Health(status, next(percent for one, percent in judged if one is status))


def _errors(
    traffic: Codes, direction: str, tolerances: Sequence[Tolerance]
) -> Iterable[tuple[Tolerance, float]]:  # fmt: skip
    for protocol, codes in traffic.items():
        total = sum(codes.values())
        for tolerance in tolerances:
            if total > 0 and tolerance.is_of(protocol, direction):
                errors = sum(count for code, count in codes.items() if tolerance.is_error(code))
                yield tolerance, errors / total * 100
