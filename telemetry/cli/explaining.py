"""Explain without a service: an explainer that knows what the entries themselves tell."""

from time import time_ns

from telemetry import native
from telemetry.catalog import Catalog
from telemetry.config import Settings
from telemetry.explain import EXPECTED, Explainer, Explanation, Unreadable, course_of, messages_of
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import node_of
from telemetry.pipeline import Wanted
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.read_headers import to_read

__all__ = ["explanation_of"]


def explanation_of(text: bytes, settings: Settings) -> Explanation:
    """Explain the entries in a text. Kubernetes is not asked.

    Raises Unreadable when it is in no known form or has no entry, ConfigError for the catalog.
    """
    messages = list(messages_of(text))
    logs = settings.receiver.access_logs
    catalog = Catalog(settings.mesh.catalog)
    addresses = Addresses(after=[catalog])
    mesh = settings.mesh
    resolver = Resolver(addresses, mesh.default_cluster, mesh.dialect, services=lambda host: _named(catalog, host))
    for message in messages:
        identifier, _ = native.inspect(message)
        if identifier is not None:
            resolver.learn(node_of(identifier))
    contexts = Contexts(resolver, addresses, seed=0, peers=peer_columns(logs.filter_state))
    wanted = Wanted(
        to_read(logs.request_headers),
        to_read(logs.response_headers),
        to_read(logs.response_trailers),
        logs.filter_state,
    )
    explanation = Explainer(contexts, wanted, course_of(settings, catalog)).explain(messages, time_ns())
    if not explanation.entries and not explanation.rejected:
        raise Unreadable(f"there is no entry in it; {EXPECTED}")
    return explanation


def _named(catalog: Catalog, host: str) -> tuple[str, str | None] | None:
    service = catalog.service_of_host(host)
    return (service.name, service.namespace) if service else None
