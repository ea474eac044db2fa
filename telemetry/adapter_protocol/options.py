"""What can be set of an adapter that is a program of its own: where it is, what it is sent, what it is told."""

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import Template
from telemetry.options import Bytes, ReadableFile, Seconds, Secret
from telemetry.outgoing.tls import TlsFiles

__all__ = ["Options"]

_MIB = 1 << 20
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:]{2,39}\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})", re.ASCII)
_SOCKET = re.compile(r"unix:/[^\0?#%]{1,100}")


class Options(BaseModel):
    """What can be set. Plain text goes to this machine only, unless `insecure` says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    address: str = Field(
        description="Where the program serves: host:port, such as 127.0.0.1:50051, or unix:/path of a socket."
    )
    templates: tuple[Template, ...] = Field(
        (Template.LOGENTRY,), min_length=1,
        description="What it is sent, of what the rules let through; it must accept all of these.",
    )  # fmt: skip
    options: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="What the program is told: its own options, which it validates."
    )
    secret_options: Mapping[str, Secret] = Field(
        default_factory=dict, description="Further options of its own, by reference; masked in all messages."
    )
    encoding: Literal["auto", "arrow", "json_lines", "protobuf"] = Field(
        "auto", description="How rows are written. auto: what the program likes best of those."
    )
    certificate: ReadableFile | None = Field(
        None, description="PEM: the authorities that the program's certificate is checked by. null: this machine's."
    )
    client_certificate: ReadableFile | None = Field(None, description="PEM: our certificate, for mutual TLS.")
    client_key: ReadableFile | None = Field(None, description="PEM: its key.")
    server_name: str | None = Field(
        None, max_length=253, description="Name in the program's certificate, where it is not the address's."
    )
    insecure: bool = Field(False, description="Plain text beyond this machine: anyone on the way may read it.")
    timeout_s: Seconds = Field(
        30.0, alias="timeout", ge=0.01, le=3600,
        description="For connecting and agreeing, and for one batch's result; delivery.deadline applies besides.",
    )  # fmt: skip
    max_message_bytes: Bytes = Field(
        Bytes(64 * _MIB), ge=64 * 1024, le=1024 * _MIB,
        description="The most bytes of one batch as sent; the program's limit, 4MiB unless it says more, holds too.",
    )  # fmt: skip

    @field_validator("address")
    @classmethod
    def _can_be_called(cls, address: str) -> str:
        match = _HOST_PORT.fullmatch(address)
        if not (match and 0 < int(match[2]) <= 65535) and not _SOCKET.fullmatch(address):
            raise PydanticCustomError("address", "must be host:port, such as 127.0.0.1:50051, or unix:/path")
        return address

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.client_certificate is None) is not (self.client_key is None):
            raise PydanticCustomError("tls", "client_certificate and client_key come together")
        if self.client_certificate and not self.secure:
            raise PydanticCustomError("tls", "client_certificate is for TLS: set certificate, or leave out insecure")
        if self.insecure and self.certificate:
            raise PydanticCustomError("tls", "insecure means plain text: leave it out, or the certificate")
        if twice := sorted(set(self.options) & set(self.secret_options)):
            raise PydanticCustomError(
                "twice", "options and secret_options both have {names}", {"names": ", ".join(twice)}
            )
        return self

    @property
    def secure(self) -> bool:
        """Whether the connection is by TLS: beyond this machine always, on it where a certificate is set."""
        return self.certificate is not None or not (self.insecure or _on_this_machine(self.address))

    @property
    def tls(self) -> TlsFiles:
        """The files of TLS."""
        return TlsFiles(self.certificate, self.client_certificate, self.client_key)

    def options_json(self) -> str:
        """Give what the program is told, secrets opened."""
        secrets = {name: secret.get_secret_value() for name, secret in self.secret_options.items()}
        told: dict[str, Any] = {**self.options, **secrets}
        return json.dumps(told, ensure_ascii=False, sort_keys=True)


def _on_this_machine(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
