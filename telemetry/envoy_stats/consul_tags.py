"""The tags that Consul's proxies take out of their stats' names, beside Envoy's."""

from telemetry.envoy_stats.envoy_tags import ENVOY_TAGS
from telemetry.envoy_stats.tag_rules import Rule, rule

__all__ = ["CONSUL_TAGS"]

# Consul's bootstrap: a cluster's name is [hash~][subset.]service.namespace.[partition.]dc.type.trust-domain.consul.
_CLUSTER = r"^cluster\.(?:passthrough~)?"
_PARTS = ("custom_hash", "service_subset", "service", "namespace", "partition", "datacenter", "routing_type",
          "trust_domain")  # fmt: skip


def _part(wanted: str) -> Rule:
    patterns = {
        "custom_hash": "(?:{}~)?", "service_subset": r"(?:{}\.)?", "service": r"{}\.", "namespace": r"{}\.",
        "partition": r"(?:{}\.)?", "datacenter": r"{}\.", "routing_type": r"{}\.", "trust_domain": r"{}\.",
    }  # fmt: skip
    shape = "".join(patterns[part].format("([^.~]+)" if part == wanted else "[^.~]+") for part in _PARTS)
    return rule(f"consul.destination.{wanted}", rf"{_CLUSTER}({shape}consul\.)", ".consul.")


_CONSUL_TARGET = r"(?:[^.~]+~)?(?:[^.]+\.)?[^.]+\.[^.]+\.(?:[^.]+\.)?[^.]+"
_CONSUL_UPSTREAM = r"^(?:tcp|http)\.upstream(?:_peered)?\."
CONSUL_TAGS = (
    *(_part(part) for part in _PARTS),
    rule("consul.destination.target", rf"{_CLUSTER}(({_CONSUL_TARGET})\.[^.]+\.[^.]+\.consul\.)", ".consul."),
    rule("consul.destination.full_target", rf"{_CLUSTER}(({_CONSUL_TARGET}\.[^.]+\.[^.]+)\.consul\.)", ".consul."),
    rule("consul.upstream.service", _CONSUL_UPSTREAM + r"(([^.]+)(?:\.[^.]+)?(?:\.[^.]+)?\.[^.]+\.)", ".upstream"),
    rule("consul.upstream.namespace", _CONSUL_UPSTREAM + r"([^.]+(?:\.([^.]+))?(?:\.[^.]+)?\.[^.]+\.)", ".upstream"),
    rule("consul.upstream.datacenter", _CONSUL_UPSTREAM + r"([^.]+(?:\.[^.]+)?(?:\.[^.]+)?\.([^.]+)\.)", ".upstream"),
    *ENVOY_TAGS,
)  # fmt: skip
