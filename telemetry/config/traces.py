"""The section `traces`: which traces are kept, and how they are put together."""

from collections.abc import Sequence

import polars as pl
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from telemetry.config.section import Section
from telemetry.expressions import ExpressionError, compile  # noqa: A004 - the verb of that room
from telemetry.processors.outcome import KNOWN
from telemetry.processors.spans.settings import SamplingSettings, TailSettings, TracesSettings

__all__ = ["TracesSection"]


class SamplingSection(Section, SamplingSettings):
    """Decided by the head of the trace: by its first caller, or by its id."""


class TailSection(Section, TailSettings):
    """Decided when the trace is over: these are kept whatever its head decided."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            try:
                compile(text, KNOWN)
            except ExpressionError as error:
                raise PydanticCustomError("expression", "{fault}", {"fault": str(error)}) from None
        return texts


class TracesSection(Section, TracesSettings):
    """How entries become traces (docs/traces.md); made only where a handler takes spans."""

    sampling: SamplingSection = Field(
        default_factory=SamplingSection, description="Which traces are kept, by their head."
    )
    tail: TailSection = Field(default_factory=TailSection, description="Which are kept besides, by what came of them.")

    def matches(self) -> Sequence[pl.Expr]:
        """Give the tail rules in CEL, compiled, as `Spans` takes them."""
        return [compile(text, KNOWN).expression for text in self.tail.match]
