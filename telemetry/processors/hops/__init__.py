"""Both ends of a hop: the client's and the server's entry of one request, joined (docs/hops.md)."""

from telemetry.processors.hops.hops import READS, Hops
from telemetry.processors.hops.joining import OMITTED
from telemetry.processors.hops.reading import Reader
from telemetry.processors.hops.settings import HopsSettings

__all__ = ["OMITTED", "READS", "Hops", "HopsSettings", "Reader"]
