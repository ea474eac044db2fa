"""What one configuration makes of the service: its processors, its handlers, its explanations."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial

from telemetry.assembly import Assembly
from telemetry.batch import SCHEMAS, Template
from telemetry.catalog_operations import CatalogOperations
from telemetry.checked import Checked
from telemetry.config import Settings
from telemetry.config.metrics import metrics_of
from telemetry.discovery import processors
from telemetry.explain import Explainer, course_of
from telemetry.expressions import compile  # noqa: A004 - the verb of that room
from telemetry.handlers import Outfit
from telemetry.mesh_api import EdgeWork, edge_memory
from telemetry.outfits import outfits
from telemetry.parts import Parts
from telemetry.pipeline import Pipeline, Wanted
from telemetry.plugin import Processor
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.edge_memory import EdgeMemory
from telemetry.processors.endings import Outcome
from telemetry.processors.hops import Hops, Reader
from telemetry.processors.normalise import Normalise
from telemetry.processors.outcome import KNOWN, Override
from telemetry.processors.read_headers import to_read
from telemetry.processors.redaction import Redaction
from telemetry.processors.signals import Signals
from telemetry.processors.spans import Spans
from telemetry.rules.rules import Rules

__all__ = ["Composition"]

# Exemplars and edges show these, whatever the labels do.
_SHOWN_BESIDES = frozenset({"trace.id", "trace.span_id", "source.principal", "destination.principal"})


class Composition:
    """One configuration at work. What it has in common with the one `before` goes on, with all that it has learnt.

    Making it changes nothing that runs; raises ConfigError where an expression can't be compiled. `tapped`: what is
    to be made because somebody watches, though no handler takes it.
    """

    def __init__(
        self,
        assembly: Assembly,
        settings: Settings,
        before: "Composition | None" = None,
        tapped: Collection[Template] = (),
    ) -> None:
        self._assembly = assembly
        self._settings = settings
        self.tapped = frozenset(tapped)
        self._parts: Parts = Parts(before._parts if before else None)
        self._rules = Rules(settings.rules, settings.probes, keep=self._parts.part)
        self._contexts = self._made_contexts("contexts")
        self._results = {name: self._counting(name) for name in ("redaction", "hops", "spans")}
        self._redaction = self._made_redaction()
        self._signals: Signals = self._made_signals(before._signals if before else None)
        # Hops and spans look at the same of an entry.
        self._reader = self._parts.part("reader", None, Reader)
        self._hops = self._made_hops()
        self._spans = self._made_spans()
        self._edges = self._made_edges()
        self.outfits: Mapping[str, Outfit] = outfits(assembly, settings, self._rules, self._parts)
        self.pipeline = self._pipeline()
        self.explainer = self._parts.part("explainer", self._explained(), self._new_explainer)
        self._parts.settle()

    def watched(self, tapped: Collection[Template]) -> "Composition":
        """Give the same configuration, making what is tapped now besides what it makes for its handlers."""
        return Composition(self._assembly, self._settings, self, tapped)

    def measure(self) -> None:
        """Bring the gauges of these parts up to date."""
        metrics = self._assembly.metrics
        metrics.contexts.set(len(self._contexts))
        metrics.raise_to(metrics.contexts_resolved, self._contexts.resolved_total)
        if self._redaction:
            for rule, number in self._redaction.counts.items():
                metrics.raise_to(metrics.redacted.labels(rule), number)
        self._measure_hops()
        if self._edges:
            self._edges.measure(metrics)
        # Copied at once: the pipeline's thread may be adding to it.
        for (metric, reason), number in dict(self._signals.skipped).items():
            metrics.raise_to(metrics.skipped_values.labels(metric, reason), number)

    def _measure_hops(self) -> None:
        metrics = self._assembly.metrics
        for name, maker, counter, waiting in (
            ("hops", self._hops, metrics.hops, metrics.hops_waiting),
            ("spans", self._spans, metrics.traces, metrics.spans_waiting),
        ):
            waiting.set(maker.waiting if maker else 0)
            for result, number in dict(self._results[name]).items():
                metrics.raise_to(counter.labels(result), number)

    @property
    def _templates(self) -> frozenset[Template]:
        handlers = self._settings.handlers.items()
        retained = self._settings.journal.retain
        edges = {Template.EDGE} if self._settings.edges.enabled else set()
        return self.tapped.union(
            retained, edges, *(self._rules.templates_for(name, one.accepts) for name, one in handlers)
        )

    def _pipeline(self) -> Pipeline:
        # Spans carry their entry's attributes, hops some of them: what is redacted among these, too.
        carriers = {Template.LOGENTRY, Template.TRACESPAN, Template.HOP}
        entries = not self._templates.isdisjoint(carriers) or self._labels_tell()
        steps = list(self._processors(entries=entries))
        read = {name for each in steps for name in each.reads}
        return Pipeline(
            Normalise(self._contexts, SCHEMAS[Template.LOGENTRY] if entries else read, self._overrides()),
            steps,
            self._wanted(),
            self._assembly.metrics,
            templates=self._templates,
            receiver=self._settings.receiver.name,
            epoch=self._assembly.started_ns,
            numbers=self._assembly.numbers,
        )

    def _processors(self, *, entries: bool) -> Iterator[Processor]:
        """Give the processors in their order. What only entries show is made only where they are wanted."""
        settings, part = self._settings, self._parts.part
        yield self._assembly.connections
        if self._assembly.completeness:
            yield self._assembly.completeness
        # Redaction comes first: what must not be stored must not become an operation's name either.
        if entries and self._redaction:
            yield self._redaction
        if entries and settings.operations.enabled:
            catalog = self._assembly.registers.catalog
            operations = settings.operations
            yield part("operations", operations, partial(CatalogOperations, operations, catalog))
        if self._hops:
            yield self._hops
        if self._spans:
            yield self._spans
        yield self._signals
        if self._edges:
            yield from self._edges.processors
        for name, make in processors().items():
            yield part(f"processor {name}", None, partial(_checked, name, make))

    def _labels_tell(self) -> bool:
        """Whether metrics show what redaction may have to conceal, or are made of operations."""
        shown, concealed = self._signals.shows | _SHOWN_BESIDES, self._settings.redaction.concealed_attributes()
        return "request.operation" in self._signals.reads or not shown.isdisjoint(concealed)

    def _counting(self, name: str) -> Counter[str]:
        """Give what its makers count into, one after another: the last still counts when the next has begun."""
        return self._parts.part(f"{name} results", None, Counter[str])

    def _made_signals(self, before: Signals | None) -> Signals:
        made_of = (self._settings.standard_metrics, self._settings.metrics, self._settings.probes)
        seed, started_ns = self._assembly.seed, self._assembly.started_ns
        # A chunk may be on its way through the pipeline before: whose signals must not change meanwhile.
        return self._parts.part(
            "signals",
            made_of,
            lambda: Signals(seed=seed, started_ns=started_ns, metrics=metrics_of(*made_of), before=before),
        )

    def _overrides(self) -> list[Override]:
        return [(compile(rule.match, KNOWN).expression, Outcome(rule.outcome)) for rule in self._settings.outcomes]

    def _made_hops(self) -> Hops | None:
        settings = self._settings.hops
        if not settings.enabled or self._templates.isdisjoint({Template.HOP, Template.EDGE, Template.METRIC}):
            return None
        # The same seed for the same series, whoever makes them.
        seed, started_ns = self._assembly.seed, self._assembly.started_ns
        make = partial(
            Hops,
            settings,
            seed=seed,
            started_ns=started_ns,
            reader=self._reader,
            whole=False,
            results=self._results["hops"],
        )
        hops: Hops = self._parts.part("hops", settings, make)
        if Template.HOP in self._templates or processors():
            # What is installed may look at any column. For good: it costs a little and harms nobody.
            hops.be_whole()
        return hops

    def _made_edges(self) -> EdgeWork | None:
        settings, assembly = self._settings.edges, self._assembly
        if not settings.enabled:
            return None
        headroom = assembly.envoys.breakers if assembly.envoys else None
        memory: EdgeMemory | None = None
        if settings.events.enabled:
            memory = self._parts.part("edge memory", None, partial(edge_memory, assembly.edges, settings))
        # Made by a reload, they begin then: intervals from our start on would be filled with what comes now.
        make = partial(EdgeWork, seed=assembly.seed, started_ns=time.time_ns(), headroom=headroom, memory=memory)
        catalog = assembly.registers.catalog
        return self._parts.part("edges", settings, lambda: make(settings, assembly.edges, catalog))

    def _made_spans(self) -> Spans | None:
        settings = self._settings.traces
        if Template.TRACESPAN not in self._templates:
            return None
        return self._parts.part(
            "spans",
            settings,
            lambda: Spans(settings, settings.matches(), reader=self._reader, results=self._results["spans"]),
        )

    def _made_redaction(self) -> Redaction | None:
        settings = self._settings.redaction
        make = partial(Redaction, settings, counts=self._results["redaction"])
        return self._parts.part("redaction", settings, make) if settings.enabled else None

    def _made_contexts(self, name: str) -> Contexts:
        peers = self._settings.receiver.access_logs.filter_state
        return self._parts.part(name, peers, self._new_contexts)

    def _new_contexts(self) -> Contexts:
        registers = self._assembly.registers
        return Contexts(
            self._assembly.resolver,
            registers.addresses,
            seed=_seed(),
            peers=peer_columns(self._settings.receiver.access_logs.filter_state),
            generation=lambda: registers.catalog.generation,
        )

    def _explained(self) -> object:
        """Give what explanations are made of."""
        one = self._settings
        made_of = (one.receiver.access_logs, one.redaction, one.operations, one.outcomes, one.handlers)
        return *made_of, one.rules, one.probes, one.standard_metrics, one.metrics

    def _new_explainer(self) -> Explainer:
        course = course_of(self._settings, self._assembly.registers.catalog)
        return Explainer(self._made_contexts("explained"), self._wanted(), course)

    def _wanted(self) -> Wanted:
        logs = self._settings.receiver.access_logs
        return Wanted(
            to_read(logs.request_headers),
            to_read(logs.response_headers),
            to_read(logs.response_trailers),
            logs.filter_state,
        )


def _checked(name: str, make: Callable[[], Processor]) -> Processor:
    return Checked(name, make())


def _seed() -> int:
    return secrets.randbits(64)
