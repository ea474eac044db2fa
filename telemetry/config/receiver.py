"""The settings of what comes in."""

import socket
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from telemetry.config.envoy_metrics import EnvoyMetricsSettings
from telemetry.config.listeners import GrpcSettings
from telemetry.config.names import distinct, named
from telemetry.config.section import Section
from telemetry.options import Bytes, Seconds

__all__ = ["AccessLogSettings", "CoalesceSettings", "ReceiverSettings"]

_MIB, _GIB = 1 << 20, 1 << 30

# Header names know no case, and Envoy sends them in lower case.
Header = Annotated[
    str,
    AfterValidator(str.lower),
    *named(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", "must be the name of a header, such as content-type"),
]
Headers = Annotated[tuple[Header, ...], Field(max_length=64), AfterValidator(distinct)]
FilterStateKey = Annotated[str, StringConstraints(min_length=1, max_length=256)]
FilterStateKeys = Annotated[tuple[FilterStateKey, ...], Field(max_length=64), AfterValidator(distinct)]


_ATTRIBUTES_OF: Mapping[str, tuple[str, ...]] = {
    "request_headers": (
        ":method", "content-type", "traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid",
        "x-b3-parentspanid", "x-b3-sampled",
    ),
    "response_headers": ("grpc-status",),
    "response_trailers": ("grpc-status",),
}  # fmt: skip
"""The headers without which attributes would be missing."""


class AccessLogSettings(Section):
    """What is read of headers and filter state; Envoy sends it only when told to (`telemetry generate`)."""

    # Before the lists, whose checks look at it.
    only_named: bool = Field(
        False, description="Leave out headers that attributes are made of where a list does not name them."
    )
    request_headers: Headers = Field(
        _ATTRIBUTES_OF["request_headers"],
        description="Request headers. Those of method, protocol and trace are read besides the ones named; []: none.",
    )
    response_headers: Headers = Field(
        _ATTRIBUTES_OF["response_headers"],
        description="Response headers. gRPC's status is read besides the ones named; []: none.",
    )
    response_trailers: Headers = Field(
        _ATTRIBUTES_OF["response_trailers"],
        description="Response trailers. gRPC's status is read besides the ones named; []: none.",
    )
    filter_state: FilterStateKeys = Field(
        (
            "downstream_peer",
            "upstream_peer",
            "downstream_peer_obj",
            "upstream_peer_obj",
            "wasm.downstream_peer",
            "wasm.upstream_peer",
            "wasm.downstream_peer_id",
            "wasm.upstream_peer_id",
            "envoy.wasm.metadata_exchange.downstream",
            "envoy.wasm.metadata_exchange.upstream",
            "envoy.wasm.metadata_exchange.downstream_id",
            "envoy.wasm.metadata_exchange.upstream_id",
            "io.istio.peer_principal",
            "io.istio.local_principal",
        ),
        description="Filter state objects read for the peer's workload: Istio's keys, new and old.",
    )

    @field_validator(*_ATTRIBUTES_OF)
    @classmethod
    def _with_those_of_attributes(cls, headers: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Who names a header of his own doesn't mean to lose his traces."""
        if not headers or info.data.get("only_named"):
            return headers
        return tuple(dict.fromkeys((*_ATTRIBUTES_OF[str(info.field_name)], *headers)))


class CoalesceSettings(Section):
    """Messages of all streams are gathered before they are decoded: large batches cost less."""

    max_delay_s: Seconds = Field(
        0.2, alias="max_delay", ge=0.001, le=60, description="A message waits no longer than this."
    )
    max_entries: int = Field(
        16384, ge=1, le=1_000_000, description="A batch of so many entries does not wait. About 1 KiB of memory each."
    )
    max_pending_bytes: Bytes = Field(
        Bytes(32 * _MIB), ge=1 * _MIB, le=16 * _GIB,
        description="With so much waiting we stop reading, and Envoys hold back.",
    )  # fmt: skip


class ReceiverSettings(Section):
    """What comes in."""

    name: str = Field(
        default_factory=socket.gethostname, min_length=1, max_length=253,
        description="Our name in every batch, so that a sink can tell instances apart. Default: the host's name.",
    )  # fmt: skip
    grpc: GrpcSettings = Field(default_factory=GrpcSettings, description="The gRPC server that Envoys connect to.")
    access_logs: AccessLogSettings = Field(
        default_factory=AccessLogSettings, description="What is read from access logs."
    )
    metrics: EnvoyMetricsSettings = Field(
        default_factory=EnvoyMetricsSettings, description="What is read of Envoys' own metrics."
    )
    coalesce: CoalesceSettings = Field(
        default_factory=CoalesceSettings, description="How messages are gathered into batches."
    )
