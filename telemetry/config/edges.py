"""The settings of edges: how they are summed, kept, and what is told of them."""

from pydantic import Field

from telemetry.config.journal import File
from telemetry.config.section import Section
from telemetry.options import Bytes, Seconds

__all__ = ["EdgeEventSettings", "EdgeSettings"]

_MIB, _GIB = 1 << 20, 1 << 30
_HOUR_S, _DAY_S = 3600.0, 86400.0


class EdgeEventSettings(Section):
    """What changes in the mesh, as log entries: event.name and event.message."""

    enabled: bool = Field(True, description="Make events; handlers get them with the entries.")
    warm_up_s: Seconds = Field(
        600.0, alias="warm_up", ge=0, le=7 * _DAY_S,
        description="So long after the file was begun nothing is told: everything is new then.",
    )  # fmt: skip
    vanish_after_s: Seconds = Field(
        _HOUR_S, alias="vanish_after", ge=60, le=30 * _DAY_S,
        description="An edge without traffic for so long has vanished.",
    )  # fmt: skip


class EdgeSettings(Section):
    """Who calls whom: summed by interval, kept by minute, asked at /api/v1."""

    enabled: bool = Field(True, description="Make edges, keep them, and serve the graph.")
    path: File = Field(
        None, description="The file, on a local disk; its folder is made. null: in memory, and gone with the process."
    )
    interval_s: Seconds = Field(
        10.0, alias="interval", ge=1, le=60, description="How often edges are summed up; saturation too."
    )
    max_edges: int = Field(
        20_000, ge=1, le=1_000_000,
        description="Edges in one interval; the traffic of more is kept as one edge from {other} to {other}.",
    )  # fmt: skip
    max_kept_edges: int = Field(
        50_000, ge=1, le=10_000_000,
        description="Edges whose names are kept; those unused the longest become {other}. About 6 KiB each.",
    )  # fmt: skip
    max_bytes: Bytes = Field(
        Bytes(1 * _GIB), ge=1 * _MIB, le=1024 * _GIB,
        description="The file takes no more than this; beyond it the oldest minutes go first.",
    )  # fmt: skip
    minutes_for_s: Seconds = Field(
        2 * _DAY_S, alias="minutes_for", ge=_HOUR_S, le=366 * _DAY_S, description="How long single minutes are kept."
    )
    ten_minutes_for_s: Seconds = Field(
        14 * _DAY_S, alias="ten_minutes_for", ge=_HOUR_S, le=366 * _DAY_S, description="How long ten minutes are kept."
    )
    hours_for_s: Seconds = Field(
        92 * _DAY_S, alias="hours_for", ge=_HOUR_S, le=3660 * _DAY_S, description="How long hours are kept."
    )
    events: EdgeEventSettings = Field(default_factory=EdgeEventSettings, description="What is told of changes.")
