"""Whose tags an Envoy takes out of its stats' names."""

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.envoy_stats.consul_tags import CONSUL_TAGS
from telemetry.envoy_stats.envoy_tags import ENVOY_TAGS
from telemetry.envoy_stats.istio_tags import ISTIO_TAGS
from telemetry.envoy_stats.tag_rules import Rule

__all__ = ["CONSUL", "ENVOY", "ISTIO", "STYLES", "Style"]


@dataclass(frozen=True, slots=True)
class Style:
    """`number` goes to the decoder, which keeps stats of unlike styles apart.

    `reads_dots`: the rules take dotted names of clusters apart themselves.
    """

    name: str
    number: int
    rules: tuple[Rule, ...]
    reads_dots: bool = False


ENVOY = Style("envoy", 0, ENVOY_TAGS)
ISTIO = Style("istio", 1, ISTIO_TAGS)
CONSUL = Style("consul", 2, CONSUL_TAGS, reads_dots=True)
STYLES: Mapping[str, Style] = {style.name: style for style in (ENVOY, ISTIO, CONSUL)}
