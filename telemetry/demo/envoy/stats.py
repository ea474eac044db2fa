"""Which of its own metrics an Envoy keeps, and how it sends them to our service."""

from telemetry.demo.envoy.access_logs import ALS_CLUSTER
from telemetry.demo.envoy.typed import Json, named

__all__ = ["STATS"]

_KEPT = [
    {"prefix": "access_logs."},
    {"prefix": "server."},
    {"safe_regex": {"regex": r"cluster\..*(upstream_rq|upstream_cx|circuit_breakers|membership).*"}},
    {"safe_regex": {"regex": r"http\..*downstream_(rq|cx).*"}},
    {"safe_regex": {"regex": r"tcp\..*downstream_cx.*"}},
]
"""As `telemetry generate istio` has it, and TCP's: what traffic, saturation and completeness are read from."""

STATS: Json = {
    "stats_flush_interval": "5s",
    "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": _KEPT}}},
    "stats_sinks": [
        named(
            "envoy.stat_sinks.metrics_service",
            "config.metrics.v3.MetricsServiceConfig",
            transport_api_version="V3",
            grpc_service={"envoy_grpc": {"cluster_name": ALS_CLUSTER}},
            report_counters_as_deltas=False,
            emit_tags_as_labels=True,
            histogram_emit_mode="HISTOGRAM",
        )
    ],
}
"""What goes to the top of a bootstrap."""
