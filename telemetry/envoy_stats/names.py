"""What a stat is called in Prometheus: its name and labels as Envoy's own page prints them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from telemetry.envoy_stats.repair import protected, repaired, restored
from telemetry.envoy_stats.styles import Style
from telemetry.envoy_stats.tag_rules import Labels, extract

__all__ = ["Name", "Namer"]

_CUSTOM = ("istiocustom", "wasmcustom")
_OTHER = re.compile(r"[^A-Za-z0-9_]")
# The stats of Istio's own filter, which raw names list after the metric: name, value, name, value. Values have dots.
_WORKLOAD = ("workload", "workload_namespace", "principal", "app", "version", "canonical_service", "canonical_revision",
             "cluster")  # fmt: skip
_ISTIO_TAGS = (
    "reporter",
    *(f"{side}_{name}" for side in ("source", "destination") for name in _WORKLOAD),
    "destination_service", "destination_service_name", "destination_service_namespace", "destination_port",
    "request_protocol", "request_operation", "request_host", "response_code", "grpc_response_status", "response_flags",
    "connection_security_policy", "component", "tag",
)  # fmt: skip
_RESERVED = ("le", "quantile")


@dataclass(frozen=True, slots=True)
class Name:
    """A stat as Prometheus knows it. Labels are sorted by name, and none is empty."""

    stat: str
    """Without the tags, as Envoy has it: cluster.upstream_rq_total."""
    metric: str
    """envoy_cluster_upstream_rq_total."""
    labels: Labels


class Namer:
    """Names stats. Pure.

    `identity`: label names that are ours; a tag of that name becomes `exported_…`, as Prometheus does it.
    `custom_tags`: names of tags that somebody has added to Istio's metrics. `repair`: make dotted names whole.
    """

    def __init__(self, identity: Collection[str], custom_tags: Collection[str] = (), *, repair: bool = True) -> None:
        self._taken = frozenset((*identity, *_RESERVED))
        tags = sorted({*_ISTIO_TAGS, *custom_tags}, key=len, reverse=True)
        self._istio_tag = re.compile(rf"\.({'|'.join(map(re.escape, tags))})\.")
        self._repair = repair

    def name(self, name: str, labels: Labels, style: Style) -> Name:
        """Name a stat by what the stream says. Without labels the name is raw: tags are taken out of it."""
        space, _, rest = name.partition(".")
        if space in _CUSTOM and rest:
            metric, labels = self._custom(rest, labels)
            return self._made(metric, labels, "")
        if labels:
            name, labels = repaired(name, labels) if self._repair else (name, labels)
        else:
            name, labels = self._extracted(name, style)
        return self._made(name, labels, "envoy_")

    def _extracted(self, name: str, style: Style) -> tuple[str, Labels]:
        """Take the tags out of a raw name."""
        if not self._repair or style.reads_dots:
            cut = extract(name, style.rules)
            return repaired(*cut) if self._repair else cut
        name, labels = extract(protected(name), style.rules)
        # Istio ends its names with a semicolon, which is not part of them.
        return restored(name), tuple((label, restored(value).removesuffix(";")) for label, value in labels)

    def _custom(self, name: str, labels: Labels) -> tuple[str, Labels]:
        if labels:
            return name, labels
        if "=.=" in name:
            # Istio until 1.19: reporter=.=source;.;source_workload=.=web;.;…_istio_requests_total
            *pairs, metric = name.split(";.;")
            return metric.lstrip("_"), tuple(_pair(pair) for pair in pairs if "=.=" in pair)
        metric, *parts = self._istio_tag.split(name)
        return metric, tuple(zip(parts[::2], parts[1::2], strict=True))

    def _made(self, name: str, labels: Labels, prefix: str) -> Name:
        made: dict[str, str] = {}
        for label, value in labels:
            if label and value:
                made.setdefault(self._label(label), value)
        metric = prefix + _OTHER.sub("_", name)
        return Name(name, metric if not metric[:1].isdigit() else f"_{metric}", tuple(sorted(made.items())))

    def _label(self, name: str) -> str:
        name = _OTHER.sub("_", name)
        if name[0].isdigit():
            name = f"_{name}"
        return f"exported_{name}" if name in self._taken or name.startswith("__") else name


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=.=")
    return name, value
