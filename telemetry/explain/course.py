"""What a configuration does with entries once they have their attributes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.catalog import Catalog
from telemetry.catalog_operations import CatalogOperations
from telemetry.config import Settings
from telemetry.config.metrics import metrics_of
from telemetry.explain.explanation import Elsewhere
from telemetry.expressions import compile  # noqa: A004 - the verb of that room
from telemetry.plugin import Processor
from telemetry.processors.connections import Connections
from telemetry.processors.endings import Outcome
from telemetry.processors.outcome import KNOWN, Override
from telemetry.processors.redaction import Redaction
from telemetry.processors.signals import Signals
from telemetry.rules.rules import Rules

__all__ = ["Course", "course_of"]

# What redaction reads beside an attribute to conceal it.
_BESIDE = {"request.path": ("request.url_path",)}
_NOTHING = pl.DataFrame({name: [None] for name in SCHEMAS[Template.LOGENTRY]}, SCHEMAS[Template.LOGENTRY])


@dataclass(frozen=True)
class Course:
    """Processors of its own, so that explaining disturbs nobody; by default none, and handlers neither.

    `accepts`: what each handler accepts, by name.
    """

    overrides: Sequence[Override] = ()
    redaction: Redaction | None = None
    operations: Processor | None = None
    signals: Signals | None = None
    rules: Rules = field(default_factory=Rules)
    accepts: Mapping[str, Collection[Template]] = field(default_factory=dict)

    def completed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give entries with what connections reported since their last report, as far as they are among these."""
        return _through(Connections(started_ns=0), _batch(rows)).rows

    def redacted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give complete entries as they may be stored."""
        return _through(self.redaction, _batch(rows)).rows if self.redaction else rows

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give redacted entries their operations, as one would who has seen no others."""
        return _through(self.operations, _batch(rows)).rows if self.operations else rows

    def concealed_by(self, row: pl.DataFrame, attribute: str) -> tuple[str, ...]:
        """Say which rules of redaction conceal something in an attribute of this one row, before its redaction."""
        if self.redaction is None:
            return ()
        alone = _NOTHING.with_columns(row.select(attribute, *_BESIDE.get(attribute, ())).get_columns())
        before = dict(self.redaction.counts)
        _through(self.redaction, _batch(alone))
        return tuple(sorted(rule for rule, count in self.redaction.counts.items() if count > before.get(rule, 0)))

    def metrics_of(self, row: pl.DataFrame) -> Iterator[Batch]:
        """Give what one entry counts into."""
        if self.signals is not None:
            yield from (one for one in self.signals.process(_batch(row)) if one.template is Template.METRIC)

    def elsewhere(self) -> Sequence[Elsewhere]:
        """Give the rules that are about neither entries nor metrics."""
        templates: dict[str, set[Template]] = {}
        for handler, accepts in self.accepts.items():
            for template, rules in (self.rules.plan(handler, accepts) or {}).items():
                for rule in rules:
                    templates.setdefault(rule.name, set()).add(template)
        return [
            Elsewhere(rule.name, rule.handlers, tuple(sorted(about)))
            for rule in self.rules.rules
            if (about := templates.get(rule.name)) and not about & {Template.LOGENTRY, Template.METRIC}
        ]

    def entry(self, row: pl.DataFrame) -> Batch:
        """Give one entry as rules look at it."""
        return _batch(row)


def _batch(rows: pl.DataFrame) -> Batch:
    return Batch(Template.LOGENTRY, rows, "explain", 0, 0)


def _through(processor: Processor, batch: Batch) -> Batch:
    return next(one for one in processor.process(batch) if one.template is Template.LOGENTRY)


def course_of(settings: Settings, catalog: Catalog) -> Course:
    """Make the course that a configuration prescribes."""
    metrics = metrics_of(settings.standard_metrics, settings.metrics, settings.probes)
    return Course(
        [(compile(rule.match, KNOWN).expression, Outcome(rule.outcome)) for rule in settings.outcomes],
        Redaction(settings.redaction) if settings.redaction.enabled else None,
        CatalogOperations(settings.operations, catalog) if settings.operations.enabled else None,
        Signals(seed=0, started_ns=0, metrics=metrics),
        Rules(settings.rules, settings.probes),
        {name: handler.accepts for name, handler in settings.handlers.items()},
    )
