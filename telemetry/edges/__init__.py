"""Edges by minute, kept across restarts: what the query API answers from."""

from telemetry.edges.handler import EdgeHandler
from telemetry.edges.reader import Reader
from telemetry.edges.store import EdgeStore, Retention
from telemetry.edges.window import Window

__all__ = ["EdgeHandler", "EdgeStore", "Reader", "Retention", "Window"]
