"""The settings of the operator's own metrics."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from telemetry.config.labels import MAX_LABELS, LabelName, LabelValue, compiled
from telemetry.config.rules import ProbeSettings, distinct_names, refuse
from telemetry.config.section import Section
from telemetry.config.standard_metrics import StandardMetricsSettings
from telemetry.exposition import METRIC_NAME
from telemetry.expressions import ExpressionError
from telemetry.processors.custom_metrics import DIMENSIONS, Custom
from telemetry.processors.metric_labels import number_of, rows_of
from telemetry.processors.signals import Metrics
from telemetry.processors.standard_metrics import BOUNDS, NAMES
from telemetry.series.families import occupied_names
from telemetry.series.points import MAX_BOUNDS

__all__ = ["MetricList", "MetricSettings", "metrics_of"]

_OURS = "telemetry_"
_KINDS = {name: "counter" if name.endswith("_total") else "histogram" for name in NAMES.values()}
# Suffixes that a page gives a metric of another kind.
_SUFFIXES = ("_total", "_bucket", "_sum", "_count", "_created", "_info")


def _metric_name(name: str) -> str:
    if not METRIC_NAME.fullmatch(name):
        raise refuse(f"{name[:80]!r} is no metric name: letters, digits, _ and :, no digit first")
    if name.startswith(_OURS):
        raise refuse(f"names that begin with {_OURS} are for what we count about ourselves")
    return name


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
    value: str = Field(
        "1",
        description="A number of each request, in CEL, or a duration, told in `unit`. A counter adds it up; of a gauge "
        "the last one counts.",
    )
    dimensions: Mapping[LabelName, LabelValue] = Field(
        default_factory=lambda: dict(DIMENSIONS), min_length=1, max_length=MAX_LABELS,
        description="Labels and their values in CEL; what is absent is unknown. Default: reporter, as Istio has it.",
    )  # fmt: skip
    buckets: tuple[float, ...] = Field(
        tuple(BOUNDS.tolist()), min_length=1, max_length=MAX_BOUNDS,
        description="A histogram's upper bounds, ascending. Default: Envoy's.",
    )  # fmt: skip
    match: Annotated[str, compiled(rows_of)] | None = Field(
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

    @field_validator("value")
    @classmethod
    def _value_is_a_number(cls, value: str, info: ValidationInfo) -> str:
        try:
            number_of(value, info.data.get("unit", "s"))  # a unit with a fault is told of by itself
        except ExpressionError as error:
            raise PydanticCustomError("expression", "{fault}", {"fault": str(error)}) from None
        return value

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


def metrics_of(
    standard: StandardMetricsSettings, metrics: tuple[MetricSettings, ...], probes: ProbeSettings
) -> Metrics:
    """Put together what `Signals` is to make."""
    return Metrics(standard.standard(), tuple(_customs(metrics)), probes.user_agents if probes.ignore else ())


def _customs(metrics: tuple[MetricSettings, ...]) -> Iterator[Custom]:
    for one in metrics:
        yield Custom(one.name, one.kind, one.unit, one.value, dict(one.dimensions), one.buckets, one.match)
