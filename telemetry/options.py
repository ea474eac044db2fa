"""What options are made of: durations, sizes, addresses, files and secrets, for our settings and for any adapter's.

In a file a duration or size has its unit (`200ms`, `4MiB`), and a secret is a reference (`env:TOKEN`,
`file:/run/secrets/token`). Relative files are looked up beside the configuration file.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, GetCoreSchemaHandler, SecretStr, ValidationInfo, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = ["ALONE", "Address", "Bytes", "Loading", "OwnFolder", "ReadableFile", "Seconds", "Secret"]

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
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if number or (isinstance(value, str) and re.fullmatch(_SIZE, value, re.ASCII)):
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

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port`. Raises ValueError that says what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
            raise ValueError("must end with a port from 0 to 65535, such as 127.0.0.1:9901")
        if host == "localhost":
            return cls(host, int(port))
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError:
            raise ValueError("must be an IP address of this machine and a port, such as 127.0.0.1:9901") from None
        if bracketed is not (ip.version == 6):
            raise ValueError("only an IPv6 address stands in brackets, and always does, such as [::1]:9901")
        return cls(str(ip), int(port))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic read and write addresses as text."""
        text = core_schema.to_string_ser_schema()
        return core_schema.no_info_plain_validator_function(_address, serialization=text)

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> dict[str, Any]:
        """Let editors check what they can of an address."""
        return {"type": "string", "pattern": r"^(\[[0-9A-Fa-f:.%]+\]|[0-9.]+|localhost):\d{1,5}$"}


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("address", "must be an address and a port, such as 127.0.0.1:9901")
    return Address.parse(value)


@dataclass(frozen=True)
class Loading:
    """What validation of a file may look at: the file's folder, and the environment for secrets."""

    folder: Path
    environment: Mapping[str, str]


def _path(text: str, info: ValidationInfo) -> Path:
    return info.context.folder / text if isinstance(info.context, Loading) else Path(text)


def _readable(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str | Path):
        raise PydanticCustomError("file", "must be the name of a file")
    path = _path(str(value), info)
    _read(path, 1)
    return path


def _read(path: Path, limit: int) -> bytes:
    """Read up to `limit` bytes. Raises PydanticCustomError when the file can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        context = {"path": str(path), "reason": reason}
        raise PydanticCustomError("file", "can't read {path}: {reason}", context) from None


ReadableFile = Annotated[Path, BeforeValidator(_readable), WithJsonSchema({"type": "string", "minLength": 1})]
"""A file that exists and can be read."""


ALONE = "one handler's alone"
OwnFolder = Annotated[Path, ALONE]
"""A folder that no other handler may have: two of them in one are refused."""


def _secret(value: object, info: ValidationInfo) -> object:
    if isinstance(value, SecretStr):
        return value
    if isinstance(value, str) and value.startswith("file:"):
        return _secret_file(_path(value.removeprefix("file:"), info))
    if isinstance(value, str) and (match := re.fullmatch(f"env:({_VARIABLE})", value)):
        environment = info.context.environment if isinstance(info.context, Loading) else os.environ
        if match[1] in environment:
            return environment[match[1]]
        raise PydanticCustomError("secret", "the environment has no variable {name}", {"name": match[1]})
    # The value itself is never shown: it may be the secret.
    raise PydanticCustomError("secret", "must be a reference, file:/path or env:NAME, never the secret itself")


def _secret_file(path: Path) -> str:
    content = _read(path, _SECRET_MAX_BYTES + 1)
    if len(content) > _SECRET_MAX_BYTES:
        raise PydanticCustomError("secret", "the file is larger than 64 KiB: it can't be a secret")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise PydanticCustomError("secret", "the file is not UTF-8 text") from None


Secret = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    WithJsonSchema({"type": "string", "pattern": f"^(file:.+|env:{_VARIABLE})$"}),
]
"""A secret, given by reference and resolved at load; masked wherever it is printed. `.get_secret_value()` opens it."""
