"""What can be set of remote write."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from telemetry.exposition import LABEL_NAME
from telemetry.options import ReadableFile, Seconds, Secret
from telemetry.urls import Url

__all__ = ["Options"]

_Url = Annotated[str, Url("give headers: {authorization: env:NAME}", query=True)]
_HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$", to_lower=True)]
_LabelValue = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Options(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    url: _Url = Field(description="Where the back end takes writes, such as http://prometheus:9090/api/v1/write.")
    protocol: Literal["auto", "1.0", "2.0"] = Field(
        "auto", description="auto: 2.0, and 1.0 from when the back end shows that it does not know 2.0."
    )
    headers: Mapping[_HeaderName, Secret] = Field(
        default_factory=dict, description="Headers of each request, such as authorization or x-scope-orgid."
    )
    labels: Mapping[str, _LabelValue] = Field(
        default_factory=dict, max_length=32,
        description="Labels on every series. Processes that write to one back end need one that tells them apart.",
    )  # fmt: skip
    certificate: ReadableFile | None = Field(
        None, description="PEM: the authorities that the back end's certificate is checked by; null: the machine's."
    )
    client_certificate: ReadableFile | None = Field(None, description="PEM: our certificate, for mutual TLS.")
    client_key: ReadableFile | None = Field(None, description="PEM: its key.")
    timeout_s: Seconds = Field(10.0, alias="timeout", ge=0.01, le=3600, description="For one request.")
    interval_s: Seconds = Field(
        0.0, alias="interval", ge=0, le=3600,
        description="Write at most so often: fewer samples; what came since the last write is in memory only. "
        "0s: write each batch before it counts as delivered.",
    )  # fmt: skip
    resend_after_s: Seconds = Field(
        60.0, alias="resend_after", ge=1, le=86400,
        description="Series without change are repeated after so long: Prometheus forgets one after five minutes.",
    )  # fmt: skip
    expire_after_s: Seconds = Field(
        900.0, alias="expire_after", ge=1, description="A series without change for so long ends, with a stale marker."
    )
    max_samples: int = Field(2000, ge=1, le=100_000, description="The most samples in one request.")
    max_series: int = Field(
        100_000, gt=0, le=10_000_000,
        description="How many series are kept, a histogram counting as one; further ones are folded into one of each "
        'metric, labelled otel_metric_overflow="true", so that totals stay exact.',
    )  # fmt: skip
    native_histograms: bool = Field(
        False,
        description="Send histograms with explicit bounds as native ones with custom buckets (2.0 only) instead of "
        "series for each bucket. Exponential ones are always sent as native histograms.",
    )

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: Mapping[str, str]) -> Mapping[str, str]:
        if wrong := [name for name in labels if not LABEL_NAME.fullmatch(name) or name == "le"]:
            raise PydanticCustomError("labels", "{names} can't be labels", {"names": ", ".join(wrong)})
        return labels
