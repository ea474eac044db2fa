"""What we listen on: for Envoys, and for people and Prometheus."""

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from telemetry.config.section import Section
from telemetry.config.tls import TlsSettings
from telemetry.options import Address, Bytes, Seconds

__all__ = ["GrpcSettings", "HttpSettings"]

_KIB, _MIB = 1 << 10, 1 << 20


class _Listener(Section):
    # Before the address, whose validator looks at both.
    tls: TlsSettings | None = Field(None, description="Mutual TLS; null for plain text.")
    insecure: bool = Field(False, description="Listen beyond loopback without TLS: anyone who reaches it is served.")

    @field_validator("address", check_fields=False)
    @classmethod
    def _exposed_only_on_purpose(cls, address: Address, info: ValidationInfo) -> Address:
        safe = address.loopback or info.data.get("insecure", True) or info.data.get("tls", True)
        if not safe:
            raise PydanticCustomError(
                "exposed", "listens beyond loopback without TLS: set tls beside it, or insecure: true if you mean it"
            )
        return address


class GrpcSettings(_Listener):
    """Where Envoys send their access logs."""

    address: Address = Field(Address("127.0.0.1", 9901), description="Where to listen; port 0 takes a free one.")
    max_message_bytes: Bytes = Field(
        Bytes(4 * _MIB), ge=128 * _KIB, le=64 * _MIB,
        description="Larger messages are skipped and counted. An Envoy's first one takes about 80 KiB.",
    )  # fmt: skip
    max_streams_per_peer: int = Field(
        1000, ge=1, le=1_000_000,
        description="Streams that one address may hold open; an Envoy opens a stream for each worker and logger.",
    )  # fmt: skip
    keepalive_time_s: Seconds = Field(
        30.0, alias="keepalive_time", ge=10, le=7200,
        description="A connection silent for so long is asked whether it lives.",
    )  # fmt: skip
    keepalive_timeout_s: Seconds = Field(
        20.0, alias="keepalive_timeout", ge=1, le=7200,
        description="A connection that does not answer within this time is closed.",
    )  # fmt: skip


class HttpSettings(_Listener):
    """Where people and Prometheus look: /metrics, /healthz, /readyz."""

    address: Address = Field(Address("127.0.0.1", 9902), description="Where to listen; port 0 takes a free one.")
