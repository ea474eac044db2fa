"""The section `hops`: both ends of a request, joined."""

from pydantic import Field

from telemetry.config.section import Section
from telemetry.processors.hops import HopsSettings

__all__ = ["HopsSection"]


class HopsSection(Section, HopsSettings):
    """How the client's and the server's entry of a request find each other (docs/hops.md)."""

    enabled: bool = Field(True, description="Join them; without it there are no edges, and no network times.")
