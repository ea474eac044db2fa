"""How much of the traffic we see: what Envoys say they have handled, against what they have told us."""

from telemetry.completeness.points import METRICS
from telemetry.completeness.processor import Completeness
from telemetry.completeness.reasons import Reason
from telemetry.completeness.refusals import refusals_of
from telemetry.completeness.report import Report, Share, WorkloadShare

__all__ = ["METRICS", "Completeness", "Reason", "Report", "Share", "WorkloadShare", "refusals_of"]
