"""Explain without a service: an explainer that knows what the entries themselves tell."""

from time import time_ns

from telemetry import native
from telemetry.config import Settings
from telemetry.explain import Explainer, Explanation, messages_of
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import node_of
from telemetry.pipeline import Wanted
from telemetry.processors.contexts import Contexts, peer_columns

__all__ = ["explanation_of"]


def explanation_of(text: bytes) -> Explanation:
    """Explain the entries in a text. Raises Unreadable when it is in no known form."""
    messages = list(messages_of(text))
    settings = Settings()
    logs = settings.receiver.access_logs
    addresses = Addresses()
    resolver = Resolver(addresses, settings.mesh.default_cluster)
    for message in messages:
        identifier, _ = native.inspect(message)
        if identifier is not None:
            resolver.learn(node_of(identifier))
    contexts = Contexts(resolver, addresses, seed=0, peers=peer_columns(logs.filter_state))
    wanted = Wanted(logs.request_headers, logs.response_headers, logs.response_trailers, logs.filter_state)
    return Explainer(contexts, wanted).explain(messages, time_ns())
