"""What an operator changes of Istio's standard metrics, in the words of Istio's Telemetry API."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from telemetry.config.labels import MAX_LABELS, LabelName, LabelValue
from telemetry.config.rules import refuse
from telemetry.config.section import Section
from telemetry.processors.standard_metrics import NAMES, Mode, Override, Standard, bare_metrics, base_labels

__all__ = ["OverrideSettings", "StandardMetricsSettings", "TagOverride"]

_ALL = "ALL_METRICS"


class TagOverride(Section):
    """What is done about one label."""

    operation: Literal["UPSERT", "REMOVE"] = Field("UPSERT", description="UPSERT adds or replaces, REMOVE removes.")
    # The last, whose check looks at the operation.
    value: LabelValue | None = Field(
        None, validate_default=True, description="The label's value in CEL over a request; for UPSERT."
    )

    @field_validator("value")
    @classmethod
    def _value_goes_with_upsert(cls, value: str | None, info: ValidationInfo) -> str | None:
        operation = info.data.get("operation")
        if operation == "UPSERT" and value is None:
            raise refuse("UPSERT needs a value", 'write value: request.headers["x-team"]')
        if operation == "REMOVE" and value is not None:
            raise refuse("REMOVE takes no value")
        return value


class MatchSettings(Section):
    """Which of the standard metrics an override is about."""

    metric: Literal[
        "ALL_METRICS",
        "REQUEST_COUNT",
        "REQUEST_DURATION",
        "REQUEST_SIZE",
        "RESPONSE_SIZE",
        "TCP_OPENED_CONNECTIONS",
        "TCP_CLOSED_CONNECTIONS",
        "TCP_SENT_BYTES",
        "TCP_RECEIVED_BYTES",
        "GRPC_REQUEST_MESSAGES",
        "GRPC_RESPONSE_MESSAGES",
    ] = Field("ALL_METRICS", description="Which metric, by Istio's name for it.")
    mode: Literal["CLIENT_AND_SERVER", "CLIENT", "SERVER"] = Field(
        "CLIENT_AND_SERVER", description="Of which side: CLIENT is reporter source, SERVER destination and waypoint."
    )

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics' names in Istio's API."""
        return frozenset(NAMES) if self.metric == _ALL else frozenset({self.metric})

    @property
    def modes(self) -> frozenset[Mode]:
        """The sides."""
        return frozenset(Mode) if self.mode == "CLIENT_AND_SERVER" else frozenset({Mode(self.mode)})


class OverrideSettings(Section):
    """A change to the standard metrics, as in Istio's Telemetry API; later ones win, label by label."""

    match: MatchSettings = Field(default_factory=MatchSettings, description="Which metrics; default: all of them.")
    disabled: bool | None = Field(None, description="true: the metric is not made; null leaves it as it is.")
    tag_overrides: Mapping[LabelName, TagOverride] = Field(
        default_factory=dict, alias="tagOverrides", max_length=MAX_LABELS, description="What is done about labels."
    )

    @field_validator("tag_overrides")
    @classmethod
    def _removed_labels_are_there(cls, tags: Mapping[str, TagOverride], info: ValidationInfo) -> Mapping[str, Any]:
        match = info.data.get("match")
        known = base_labels(match.metrics) if isinstance(match, MatchSettings) else ()
        for name in (name for name, tag in tags.items() if tag.operation == "REMOVE" and known and name not in known):
            raise refuse(f"there is no label {name} to remove", f"the labels: {', '.join(known)}")
        return tags

    def override(self) -> Override:
        """Give it as the processor takes it."""
        labels = {name: tag.value for name, tag in self.tag_overrides.items()}
        return Override(self.match.metrics, self.match.modes, self.disabled, labels)


class StandardMetricsSettings(Section):
    """Istio's standard metrics: all of them unless something is changed."""

    histograms: Literal["explicit", "exponential", "both"] = Field(
        "explicit", description="How histograms are told: with Envoy's bounds, with exponential buckets, or with both."
    )
    exponential_scale: int = Field(
        3, ge=-4, le=8, description="Of exponential buckets: each is 2^(2^-scale) times as wide as the one before."
    )
    overrides: tuple[OverrideSettings, ...] = Field(
        (), max_length=1000, description="Changes in the order in which they are made, as Istio's Telemetry API."
    )

    @field_validator("overrides")
    @classmethod
    def _some_label_is_left(cls, overrides: tuple[OverrideSettings, ...]) -> tuple[OverrideSettings, ...]:
        for metric in bare_metrics([one.override() for one in overrides]):
            raise refuse(f"no label is left of {metric}", "disable the metric instead, or keep reporter")
        return overrides

    def standard(self) -> Standard:
        """Give them as the processor takes them."""
        scale = None if self.histograms == "explicit" else self.exponential_scale
        overrides = [one.override() for one in self.overrides]
        return Standard(overrides, explicit=self.histograms != "exponential", scale=scale)
