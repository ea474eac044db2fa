"""The settings of metrics: the operator's own, and what is changed of Istio's standard ones."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from telemetry.config.rules import ProbeSettings, distinct_names, refuse
from telemetry.config.section import Section
from telemetry.exposition import LABEL_NAME, METRIC_NAME
from telemetry.expressions import ExpressionError
from telemetry.processors.custom_metrics import DIMENSIONS, Custom
from telemetry.processors.metric_labels import label_of, number_of, rows_of
from telemetry.processors.signals import Metrics
from telemetry.processors.standard_metrics import BOUNDS, NAMES, Mode, Override, Standard, bare_metrics, base_labels
from telemetry.series.families import occupied_names
from telemetry.series.points import MAX_BOUNDS

__all__ = ["MetricList", "MetricSettings", "OverrideSettings", "StandardMetricsSettings", "TagOverride", "metrics_of"]

_MAX_LABELS = 64
_ALL = "ALL_METRICS"
_OURS = "telemetry_"
_KINDS = {name: "counter" if name.endswith("_total") else "histogram" for name in NAMES.values()}
# Suffixes that a page gives a metric of another kind.
_SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created", "_info")


def _compiled(compiler: Callable[[str], object]) -> AfterValidator:
    """Check an expression by compiling it; its fault is shown with a caret."""

    def check(text: str) -> str:
        try:
            compiler(text)
        except ExpressionError as error:
            raise PydanticCustomError("expression", "{fault}", {"fault": str(error)}) from None
        return text

    return AfterValidator(check)


def _label_name(name: str) -> str:
    if not LABEL_NAME.fullmatch(name) or name == "le":
        raise refuse(f"{name!r} can't be a label: letters, digits and _, no digit first, no leading __, and not le")
    return name


def _metric_name(name: str) -> str:
    if not METRIC_NAME.fullmatch(name):
        raise refuse(f"{name[:80]!r} is no metric name: letters, digits, _ and :, no digit first")
    if name.startswith(_OURS):
        raise refuse(f"names that begin with {_OURS} are for what we count about ourselves")
    return name


LabelName = Annotated[str, StringConstraints(max_length=128), AfterValidator(_label_name)]
LabelValue = Annotated[str, _compiled(label_of)]
Unit = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,63}$")]


class MetricSettings(Section):
    """A metric of your own, made of requests before they are added up. Its series are bounded by each adapter."""

    name: Annotated[str, StringConstraints(max_length=200), AfterValidator(_metric_name)] = Field(
        description="Its full name as Prometheus will know it; a counter's ends with _total."
    )
    kind: Literal["counter", "gauge", "histogram"] = Field(
        "counter", validate_default=True, description="counter, gauge or histogram."
    )
    unit: Unit = Field("1", description="Its unit in UCUM: 1, ms, s, By.")
    value: Annotated[str, _compiled(number_of)] = Field(
        "1", description="A number of each request, in CEL. A counter adds it up; of a gauge the last one counts."
    )
    dimensions: Mapping[LabelName, LabelValue] = Field(
        default_factory=lambda: dict(DIMENSIONS), min_length=1, max_length=_MAX_LABELS,
        description="Labels and their values in CEL; what is absent is unknown. Default: reporter, as Istio has it.",
    )  # fmt: skip
    buckets: tuple[float, ...] = Field(
        tuple(BOUNDS.tolist()), min_length=1, max_length=MAX_BOUNDS,
        description="A histogram's upper bounds, ascending. Default: Envoy's.",
    )  # fmt: skip
    match: Annotated[str, _compiled(rows_of)] | None = Field(
        None, description="Which requests, in CEL over the attributes of an entry. Default: all that are no probes."
    )

    @field_validator("kind")
    @classmethod
    def _name_fits_kind(cls, kind: str, info: ValidationInfo) -> str:
        name = info.data.get("name", "")
        if name and kind == "counter" and not name.endswith("_total"):
            raise refuse(f"a counter's name ends with _total: {name}_total")
        if kind != "counter" and name.endswith(_SUFFIXES):
            raise refuse(f"{name} would be taken for a part of another metric: a {kind}'s name has no such suffix")
        return kind

    @field_validator("buckets")
    @classmethod
    def _buckets_ascend(cls, buckets: tuple[float, ...]) -> tuple[float, ...]:
        finite = all(abs(bound) < float("inf") for bound in buckets)
        if not finite or any(low >= high for low, high in pairwise(buckets)):
            raise refuse("bounds must be finite and ascending; +Inf is always there")
        return buckets

    @model_validator(mode="after")
    def _no_part_without_use(self) -> Self:
        _metric_fits(self.name, self.kind)
        if "buckets" in self.model_fields_set and self.kind != "histogram":
            raise refuse(f"only a histogram has buckets; {self.name} is a {self.kind}")
        return self


def _metric_fits(name: str, kind: str) -> None:
    if clash := _clash(name, kind, _KINDS):
        raise refuse(f"{name} is taken by Istio's {clash}", "choose another name, or change it in standard_metrics")


def _clash(name: str, kind: str, others: Mapping[str, str]) -> str | None:
    """Give the metric among `others` (kind by name) that occupies the same names on a page."""
    ours = occupied_names(name, kind)
    return next((other for other, its in others.items() if ours & occupied_names(other, its)), None)


def _apart(metrics: tuple[MetricSettings, ...]) -> tuple[MetricSettings, ...]:
    """Refuse metrics that would be one on a page."""
    known: dict[str, str] = {}
    for metric in metrics:
        if clash := _clash(metric.name, metric.kind, known):
            raise refuse(f"{metric.name} and {clash} would have the same names on a page", "rename one of the two")
        known[metric.name] = metric.kind
    return metrics


MetricList = Annotated[tuple[MetricSettings, ...], AfterValidator(distinct_names), AfterValidator(_apart)]
"""Metrics with names that don't meet."""


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
        default_factory=dict, alias="tagOverrides", max_length=_MAX_LABELS, description="What is done about labels."
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


def metrics_of(
    standard: StandardMetricsSettings, metrics: tuple[MetricSettings, ...], probes: ProbeSettings
) -> Metrics:
    """Put together what `Signals` is to make."""
    return Metrics(standard.standard(), tuple(_customs(metrics)), probes.user_agents if probes.ignore else ())


def _customs(metrics: tuple[MetricSettings, ...]) -> Iterator[Custom]:
    for one in metrics:
        yield Custom(one.name, one.kind, one.unit, one.value, dict(one.dimensions), one.buckets, one.match)
