"""What options are made of: durations, sizes, addresses, files and secrets, for our settings and for any adapter's.

In a file a duration or size has its unit (`200ms`, `4MiB`), and a secret is a reference (`env:TOKEN`,
`file:/run/secrets/token`). Relative files are looked up beside the configuration file.
"""

import ipaddress
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, GetCoreSchemaHandler, SecretStr, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = ["Address", "Bytes", "ReadableFile", "Seconds", "Secret"]

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(\d{1,12}(?:\.\d{1,9})?)\s?(us|ms|s|m|h|d)"
_SIZE = r"\d{1,15}(\.\d{1,9})?\s?([kKmMgGtT]?i?[bB])?"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_SECRET_MAX_BYTES = 64 * 1024


def _seconds(value: object, info: ValidationInfo) -> object:
    # Python code writes plain seconds; in a file a number without unit would be misread sooner or later.
    if info.context is None and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = re.fullmatch(_DURATION, value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("duration", "must be a duration with its unit, such as 200ms, 30s, 5m or 1h")
    return round(float(match[1]) * _UNITS_S[match[2]], 9)


Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$"})]
"""A duration, in seconds."""


def _byte_size(value: object) -> object:
    usable = isinstance(value, int) and not isinstance(value, bool)
    if usable or (isinstance(value, str) and re.fullmatch(_SIZE, value, re.ASCII)):
        return value
    raise PydanticCustomError("size", "must be a size in bytes, such as 65536, 64KiB or 4MiB")


Bytes = Annotated[
    ByteSize,
    BeforeValidator(_byte_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE}$"}]}),
]
"""A size in bytes; an int."""


@dataclass(frozen=True)
class Address:
    """Where to listen: an IP address (or `localhost`) and a port, written `127.0.0.1:9901` or `[::1]:9901`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @cached_property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`. Raises ValueError that says what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
            raise ValueError("must end with a port from 0 to 65535, such as 127.0.0.1:9901")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            bracketed = bare != host
            if bare != "localhost" and bracketed is not (ipaddress.ip_address(bare).version == 6):
                raise ValueError("an IPv6 address stands in brackets, such as [::1]:9901, an IPv4 address does not")
        except ipaddress.AddressValueError:
            raise
        return cls(bare, int(port))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_address, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost):\d{1,5}$"}
