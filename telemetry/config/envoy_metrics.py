"""The settings of Envoys' own metrics."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from telemetry.config.section import Section
from telemetry.envoy_stats.rules import IDENTITY_LABELS, ISTIO_STANDARD, Rules
from telemetry.options import Bytes, Seconds

__all__ = ["EnvoyMetricsSettings"]

_MIB, _GIB = 1 << 20, 1 << 30

Glob = Annotated[str, StringConstraints(min_length=1, max_length=256)]
TagName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
IdentityLabel = Literal[
    "node_id", "node_cluster", "workload", "workload_namespace", "app", "version", "canonical_service",
    "canonical_revision", "cluster_id", "zone",
]  # fmt: skip


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("twice", "names a label twice")
    return labels


class EnvoyMetricsSettings(Section):
    """Envoys' own metrics (metrics service v3), on the same port as their access logs; see docs/envoy-metrics.md."""

    enabled: bool = Field(True, description="Serve StreamMetrics beside the access log service.")
    max_message_bytes: Bytes = Field(
        Bytes(16 * _MIB), ge=1 * _MIB, le=128 * _MIB,
        description="Larger messages are skipped and counted; parts of a flush are put together up to this. An Envoy "
        "without batch_size sends everything in one: 150 bytes a stat.",
    )  # fmt: skip
    max_delay_s: Seconds = Field(
        1.0,
        alias="max_delay",
        ge=0.001,
        le=60,
        description="Flushes are gathered for so long: together they cost less.",
    )
    max_pending_bytes: Bytes = Field(
        Bytes(128 * _MIB), ge=1 * _MIB, le=16 * _GIB,
        description="With so much waiting we stop reading, and Envoys hold back.",
    )  # fmt: skip
    counters: Literal["auto", "absolute", "delta"] = Field(
        "auto",
        description="What counters are on the wire: totals, or increases (report_counters_as_deltas). auto: what "
        "they show.",
    )
    initial_value: Literal["keep", "drop", "auto"] = Field(
        "keep",
        description="Whether a total with which an Envoy first comes to us counts. keep: always, so that our page "
        "equals its own. drop: never. auto: if that Envoy has started after us.",
    )
    tags: Literal["auto", "envoy", "istio", "consul"] = Field(
        "auto",
        description="Whose rules take tags out of raw names (emit_tags_as_labels off). auto: of the mesh that an Envoy "
        "shows itself to be of.",
    )
    custom_tags: tuple[TagName, ...] = Field(
        (), max_length=100, description="Tags that you have added to Istio's metrics, to read istiocustom.* names."
    )
    repair: bool = Field(
        True, description="Make dotted names of clusters and prefixes whole, which Envoy cuts at their first dot."
    )
    allow: tuple[Glob, ...] = Field(
        ("*",), max_length=1000, description="Globs of the metrics kept, by the name in Prometheus."
    )
    deny: tuple[Glob, ...] = Field(
        tuple(ISTIO_STANDARD), max_length=1000,
        description="Globs of those that are not, whatever `allow` says. Default: what we make of access logs.",
    )  # fmt: skip
    labels: Annotated[
        tuple[IdentityLabel, ...], Field(min_length=1, max_length=len(IDENTITY_LABELS)), AfterValidator(_distinct)
    ] = Field(
        ("node_id", "workload", "workload_namespace"),
        description="What tells an Envoy from the others, as labels of each series. Without node_id, gauges of a "
        "workload's Envoys overwrite each other.",
    )
    max_names: int = Field(
        200_000, ge=1000, le=10_000_000,
        description="Distinct stats (name and labels) known at a time, over all Envoys. About 500 bytes each.",
    )  # fmt: skip
    max_series: int = Field(
        2_000_000, ge=1000, le=100_000_000, description="Series remembered, over all Envoys. About 60 bytes each."
    )
    max_series_per_envoy: int = Field(50_000, ge=100, le=10_000_000, description="Series remembered of one Envoy.")
    expire_after_s: Seconds = Field(
        900.0, alias="expire_after", ge=60, le=86400,
        description="What has not been sent for so long is forgotten: stats, series, Envoys. An Envoy that comes back "
        "later counts as new.",
    )  # fmt: skip
    refresh_s: Seconds = Field(
        300.0, alias="refresh", ge=1, le=86400,
        description="A series that does not change is handed on so often, so that no sink takes it for gone: less than "
        "expire_after of the prometheus adapter.",
    )  # fmt: skip

    def rules(self) -> Rules:
        """Give what the engine goes by."""
        return Rules(
            counters=self.counters,
            initial_value=self.initial_value,
            tags=self.tags,
            custom_tags=self.custom_tags,
            repair=self.repair,
            allow=self.allow,
            deny=self.deny,
            identity=self.labels,
            max_names=self.max_names,
            max_series=self.max_series,
            max_series_per_envoy=self.max_series_per_envoy,
            expire_after_ns=int(self.expire_after_s * 1e9),
            refresh_ns=int(self.refresh_s * 1e9),
        )
