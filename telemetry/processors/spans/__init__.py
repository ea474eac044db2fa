"""Spans of a distributed trace, made from entries (docs/traces.md)."""

from telemetry.processors.spans.settings import TracesSettings
from telemetry.processors.spans.spans import READS, Spans

__all__ = ["READS", "Spans", "TracesSettings"]
