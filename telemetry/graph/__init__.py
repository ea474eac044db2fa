"""Who calls whom: the graph of a window, its forms, its structure, who depends on whom."""

from telemetry.graph.building import build
from telemetry.graph.focusing import focused
from telemetry.graph.graph import By, Graph

__all__ = ["By", "Graph", "build", "focused"]
