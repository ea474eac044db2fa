"""The handlers of one configuration: how each is made, what it is offered, how it is delivered to."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from telemetry.assembly import Assembly
from telemetry.config import Settings
from telemetry.dead_letters import DeadLetters
from telemetry.delivery import Delivery, Terms, terms_of
from telemetry.edges import EdgeHandler
from telemetry.handlers import Outfit
from telemetry.parts import Parts
from telemetry.plugin import Adapter
from telemetry.rules import everything
from telemetry.rules.rules import Rules

__all__ = ["outfits"]

_EDGES = "edges"
"""The handler of that name is built in."""


def outfits(assembly: Assembly, settings: Settings, rules: Rules, parts: Parts) -> Mapping[str, Outfit]:
    """Give the outfit of each handler by its name, the built-in one last."""
    made = {name: _configured(name, assembly, settings, rules, parts) for name in settings.handlers}
    return {**made, _EDGES: _built_in(assembly, settings)} if settings.edges.enabled else made


def _configured(name: str, assembly: Assembly, settings: Settings, rules: Rules, parts: Parts) -> Outfit:
    handler = settings.handlers[name]
    terms = terms_of(handler.delivery, settings.journal.on_full)
    templates = rules.templates_for(name, handler.accepts)
    select, secrets = rules.select_for(name, handler.accepts), handler.secrets()
    letters = _letters(name, assembly, settings, parts)

    def deliver(adapter: Adapter) -> Delivery:
        return Delivery(
            name,
            adapter,
            assembly.journal,
            assembly.metrics,
            terms,
            templates=templates,
            select=select,
            dead_letters=letters,
            secrets=secrets,
        )

    return Outfit(handler.adapter_settings(), handler.make, deliver, templates, terms, select, letters, secrets)


def _built_in(assembly: Assembly, settings: Settings) -> Outfit:
    """Give the handler that keeps edges for those who ask the API."""
    terms = Terms(on_full=settings.journal.on_full)

    def deliver(adapter: Adapter) -> Delivery:
        return Delivery(_EDGES, adapter, assembly.journal, assembly.metrics, terms)

    return Outfit(None, lambda: EdgeHandler(assembly.edges), deliver, EdgeHandler.accepts, terms, everything, None)


def _letters(name: str, assembly: Assembly, settings: Settings, parts: Parts) -> DeadLetters | None:
    folder: Path | None = settings.dead_letters.folder(settings.journal.path)
    if folder is None:
        return None
    max_bytes = settings.dead_letters.max_bytes
    make = partial(DeadLetters, folder, name, assembly.metrics, max_bytes=max_bytes)
    return parts.part(f"dead letters of {name}", (folder, max_bytes), make)
