"""Live rows for whoever watches: bounded in every way, and never in the pipeline's."""

from telemetry.tapping.tap import Tap
from telemetry.tapping.taps import Busy, Taps
from telemetry.tapping.view import MAX_ROWS_PER_S, View, view_of

__all__ = ["MAX_ROWS_PER_S", "Busy", "Tap", "Taps", "View", "view_of"]
