"""Explain: what became of an entry, attribute by attribute, and from what."""

from telemetry.explain.explaining import Explained, Explainer, Explanation
from telemetry.explain.forms import Unreadable, messages_of

__all__ = ["Explained", "Explainer", "Explanation", "Unreadable", "messages_of"]
