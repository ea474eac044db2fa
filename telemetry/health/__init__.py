"""How services are: as Kiali says it, and against what their owners promised."""

from telemetry.health.burning import Burn, burns
from telemetry.health.kiali import DEFAULT_TOLERANCES, Health, Status, Tolerance, request_health
from telemetry.health.reports import Subject, reported

__all__ = [
    "DEFAULT_TOLERANCES",
    "Burn",
    "Health",
    "Status",
    "Subject",
    "Tolerance",
    "burns",
    "reported",
    "request_health",
]
