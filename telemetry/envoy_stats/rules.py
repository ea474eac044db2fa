"""What is kept of Envoys' stats, and how they are read."""

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import Literal

__all__ = ["IDENTITY_LABELS", "ISTIO_STANDARD", "Rules"]

IDENTITY_LABELS = (
    "node_id", "node_cluster", "workload", "workload_namespace", "app", "version", "canonical_service",
    "canonical_revision", "cluster_id", "zone",
)  # fmt: skip
"""What an Envoy may be told from others by."""

ISTIO_STANDARD = {
    "istio_requests_total": "counter",
    "istio_request_duration_milliseconds": "histogram",
    "istio_request_bytes": "histogram",
    "istio_response_bytes": "histogram",
    "istio_tcp_connections_opened_total": "counter",
    "istio_tcp_connections_closed_total": "counter",
    "istio_tcp_sent_bytes_total": "counter",
    "istio_tcp_received_bytes_total": "counter",
}
"""The metrics that we make of access logs, with their kinds: taken from Envoys too, they would count twice."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`allow` and `deny` are globs over metric names; what both match is denied. Durations are nanoseconds."""

    counters: Literal["auto", "absolute", "delta"] = "auto"
    initial_value: Literal["keep", "drop", "auto"] = "keep"
    tags: Literal["auto", "envoy", "istio", "consul"] = "auto"
    custom_tags: tuple[str, ...] = ()
    repair: bool = True
    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = tuple(ISTIO_STANDARD)
    identity: tuple[str, ...] = ("node_id", "workload", "workload_namespace")
    max_names: int = 200_000
    max_series: int = 2_000_000
    max_series_per_envoy: int = 50_000
    expire_after_ns: int = 900 * 10**9
    refresh_ns: int = 300 * 10**9

    def keeps(self) -> re.Pattern[str]:
        """Give the pattern of the metric names that are kept."""
        allowed, denied = ("|".join(map(translate, globs)) or r"(?!)" for globs in (self.allow, self.deny))
        return re.compile(rf"(?!{denied})(?:{allowed})")
