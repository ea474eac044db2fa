"""Rules and rows for these tests."""

from collections.abc import Collection
from typing import Any

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.config.rules import ProbeSettings, RuleSettings
from telemetry.rules import Selected
from telemetry.rules.rules import Rules

EVERY = frozenset(Template)


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def rule(match: str = "true", *handlers: str, **more: Any) -> RuleSettings:
    return RuleSettings.model_validate({"name": "r", "match": match, "handlers": handlers or ("audit",), **more})


def rules(*some: RuleSettings, clock: Clock | None = None, probes: ProbeSettings | None = None, **more: Any) -> Rules:
    return Rules(some, probes, clock_ns=clock or Clock(), **more)


def selected(
    batch: Batch, *some: RuleSettings, handler: str = "audit", accepts: Collection[Template] = EVERY
) -> Selected:
    return rules(*some).select_for(handler, accepts)(batch)


def values(chosen: Selected, column: str) -> list[Any]:
    return chosen.batch.rows[column].to_list()


def rows_of(template: Template, *rows: dict[str, Any]) -> Batch:
    """A batch of any template but METRIC: say what matters, the rest is null."""
    import polars as pl

    schema = SCHEMAS[template]
    return Batch(
        template, pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=dict(schema)), "t", 1, 1
    )
