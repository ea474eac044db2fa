"""What an operator can say about the joining of both ends."""

from pydantic import BaseModel, ConfigDict, Field

from telemetry.options import Seconds

__all__ = ["HopsSettings"]


class HopsSettings(BaseModel):
    """How long, and for how many entries, we wait for the other end's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: Seconds = Field(
        10.0, alias="window", ge=0.1, le=600,
        description="An entry waits so long for the other end's, where the Envoy there is known to report.",
    )  # fmt: skip
    grace_s: Seconds = Field(
        3.0, alias="grace", ge=0, le=600,
        description="It waits so long where nobody knows of an Envoy there; no longer than the window.",
    )  # fmt: skip
    max_entries: int = Field(
        200_000, ge=1000, le=10_000_000,
        description="No more entries wait; the longest waiting then count as one-sided. About 500 bytes each.",
    )  # fmt: skip
    max_clock_skew_s: Seconds = Field(
        10.0, alias="max_clock_skew", ge=0, le=600,
        description="Two entries whose times lie further apart are of two requests, whatever their ids say.",
    )  # fmt: skip
