"""What an operator can say about traces: which are kept, and how long we wait for their spans."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from telemetry.options import Seconds

__all__ = ["SamplingSettings", "TailSettings", "TracesSettings"]

_Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class SamplingSettings(BaseModel):
    """Decided by the head of the trace: by its first caller, or by its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    follow_caller: bool = Field(
        True, description="The caller's flag decides (traceparent, B3), where one was logged; the rest is for others."
    )
    probability: float = Field(
        1.0, ge=0, le=1,
        description="Share of traces kept. By the trace's id as OpenTelemetry has it, so that all who sample agree.",
    )  # fmt: skip
    max_traces_per_s: float | None = Field(
        None, gt=0, description="At most so many traces a second, those that tail rules keep not counted; null: any."
    )


class TailSettings(BaseModel):
    """Decided when the trace is over: these are kept whatever its head decided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    errors: bool = Field(False, description="Keep traces in which a server failed (response.outcome server_error).")
    slower_than_s: Seconds | None = Field(
        None, alias="slower_than", ge=0, le=86400, description="Keep traces with a request that took longer; null: no."
    )
    match: tuple[_Expression, ...] = Field(
        (), max_length=100,
        description="Keep traces with an entry for which one of these is true, in CEL over the attributes of an entry.",
    )  # fmt: skip


class TracesSettings(BaseModel):
    """How entries become traces; made only where a handler takes spans."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: Seconds = Field(
        5.0, alias="window", ge=0.1, le=600,
        description="A trace is put together and judged so long after its first span, at most twice that.",
    )  # fmt: skip
    max_spans: int = Field(
        100_000, ge=1000, le=10_000_000,
        description="With more than so many waiting, traces are judged before their time. About 2 KiB each.",
    )  # fmt: skip
    envoy_tracer: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether Envoys trace by themselves; then the header logged is their own span's. auto: by what "
        "both ends of a hop logged.",
    )
    sampling: SamplingSettings = Field(
        default_factory=SamplingSettings, description="Which traces are kept, by their head."
    )
    tail: TailSettings = Field(
        default_factory=TailSettings, description="Which are kept besides, by what came of them."
    )
