"""What can be set of an OTLP exporter; what is not set is taken from OTEL_EXPORTER_OTLP_* variables."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from telemetry.attributes import ATTRIBUTES
from telemetry.opentelemetry.attributes import MESH
from telemetry.options import Bytes, ReadableFile, Seconds, Secret
from telemetry.urls import Url

__all__ = ["Compression", "Options", "Protocol"]

Protocol = Literal["grpc", "http/protobuf"]
Compression = Literal["gzip", "none"]

_MIB = 1 << 20
_HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$", to_lower=True)]
_Url = Annotated[str, Url("give headers: {authorization: env:NAME}", bare=True, query=True)]


class Options(BaseModel):
    """What can be set. Null: the variable `OTEL_EXPORTER_OTLP_…` of that name decides, else OpenTelemetry's default."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    endpoint: _Url | None = Field(
        None,
        description="Where the sink is: http://host:4317 for gRPC, http://host:4318 for HTTP (v1/traces and so on is "
        "appended). https means TLS. Variable ENDPOINT; for one signal LOGS_ENDPOINT and so on, used as it is.",
    )
    protocol: Protocol | None = Field(None, description="grpc (the default) or http/protobuf. Variable PROTOCOL.")
    headers: Mapping[_HeaderName, Secret] = Field(
        default_factory=dict, description="Headers of each request, such as authorization. Also variable HEADERS."
    )
    compression: Compression | None = Field(None, description="gzip or none (the default). Variable COMPRESSION.")
    timeout_s: Seconds | None = Field(
        None, alias="timeout", ge=0.01, le=3600, description="For one request; 10s by default. Variable TIMEOUT."
    )
    certificate: ReadableFile | None = Field(
        None, description="PEM: the authorities that the sink's certificate is checked by. Variable CERTIFICATE."
    )
    client_certificate: ReadableFile | None = Field(
        None, description="PEM: our certificate, for mutual TLS. Variable CLIENT_CERTIFICATE."
    )
    client_key: ReadableFile | None = Field(None, description="PEM: its key. Variable CLIENT_KEY.")
    temporality: Literal["delta", "cumulative"] | None = Field(
        None,
        description="Counters and histograms as increases, or as totals since this process started. Variable "
        "METRICS_TEMPORALITY_PREFERENCE; delta by default.",
    )
    attributes: tuple[str, ...] = Field(
        MESH, max_length=256,
        description="Attributes of our vocabulary (docs/attributes.md) sent besides OpenTelemetry's own.",
    )  # fmt: skip
    max_rows: int = Field(2048, ge=1, le=100_000, description="The most records in one request.")
    max_request_bytes: Bytes = Field(
        Bytes(4 * _MIB), ge=64 * 1024, le=256 * _MIB,
        description="The most bytes of a request before compression; a Collector's default limit for gRPC is 4MiB.",
    )  # fmt: skip
    max_series: int = Field(
        100_000, gt=0, le=10_000_000,
        description="cumulative: how many series are kept; further ones are folded into one of each metric, labelled "
        'otel_metric_overflow="true".',
    )  # fmt: skip
    expire_after_s: Seconds = Field(
        900.0, alias="expire_after", ge=1, description="cumulative: a series without points for so long starts anew."
    )

    @field_validator("attributes")
    @classmethod
    def _in_the_vocabulary(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(names) - {attribute.name for attribute in ATTRIBUTES}):
            raise PydanticCustomError("attribute", "no attribute is called {names}", {"names": ", ".join(unknown)})
        return names
