"""Where a signal goes and how: the options, else OTEL_EXPORTER_OTLP_* variables, else OpenTelemetry's defaults.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (v1.50): a signal's variable goes before the general one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import SplitResult, unquote, urlsplit

from telemetry.errors import StartError
from telemetry.opentelemetry.metrics import Temporality
from telemetry.opentelemetry.options import Options, Protocol
from telemetry.outgoing.tls import TlsFiles

__all__ = ["Signal", "Target", "target", "temporality"]

Signal = Literal["traces", "metrics", "logs"]

_PREFIX = "OTEL_EXPORTER_OTLP_"
_PORTS = {"grpc": 4317, "http/protobuf": 4318}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """One signal's way out. `address`: host:port for gRPC, the whole URL for HTTP."""

    signal: Signal
    protocol: Protocol
    address: str
    secure: bool
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    gzip: bool
    timeout_s: float
    tls: TlsFiles


class _Variables:
    def __init__(self, environment: Mapping[str, str], signal: Signal) -> None:
        self._environment = environment
        self._signal = signal.upper()

    def own(self, name: str) -> str:
        """Give the signal's own variable; an empty one counts as none."""
        return self._environment.get(f"{_PREFIX}{self._signal}_{name}", "").strip()

    def __getitem__(self, name: str) -> str:
        return self.own(name) or self._environment.get(_PREFIX + name, "").strip()

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self[name].lower() or default
        if value not in choices:
            raise StartError(f"otlp: {_PREFIX}{name}={value!r} is not one of {', '.join(choices)}")
        return value

    def path(self, name: str) -> Path | None:
        return Path(self[name]) if self[name] else None


def target(options: Options, signal: Signal, environment: Mapping[str, str]) -> Target:
    """Work out one signal's target. Raises StartError, naming the option or variable, for what can't be."""
    variables = _Variables(environment, signal)
    protocol: Protocol = options.protocol or variables.choice("PROTOCOL", get_args(Protocol), "grpc")  # type: ignore[assignment]
    tls = TlsFiles(
        options.certificate or variables.path("CERTIFICATE"),
        options.client_certificate or variables.path("CLIENT_CERTIFICATE"),
        options.client_key or variables.path("CLIENT_KEY"),
    )
    if (tls.certificate is None) != (tls.key is None):
        raise StartError("otlp: client_certificate and client_key go together; set both or neither")
    address, secure = _address(options, variables, signal, protocol)
    return Target(
        signal,
        protocol,
        address,
        secure,
        tuple(_headers(options, variables)),
        (options.compression or variables.choice("COMPRESSION", ("gzip", "none"), "none")) == "gzip",
        options.timeout_s or _timeout_s(variables),
        tls,
    )


def temporality(options: Options, environment: Mapping[str, str]) -> Temporality:
    """Give the metrics' temporality: the option, else the variable (lowmemory: delta), else delta."""
    named = environment.get(f"{_PREFIX}METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    return options.temporality or ("cumulative" if named == "cumulative" else "delta")


def _address(options: Options, variables: _Variables, signal: Signal, protocol: Protocol) -> tuple[str, bool]:
    own = "" if options.endpoint else variables.own("ENDPOINT")
    default = f"http://localhost:{_PORTS[protocol]}"
    text = options.endpoint or own or variables["ENDPOINT"] or default
    if "://" not in text and protocol == "grpc":
        # Allowed for gRPC alone, where INSECURE then decides.
        text = f"{'http' if variables['INSECURE'].lower() == 'true' else 'https'}://{text}"
    url, port = _url(text)
    secure = url.scheme == "https"
    if protocol == "grpc":
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        return f"{host}:{port or _PORTS[protocol]}", secure
    path = (url.path or "/") if own else f"{url.path.rstrip('/')}/v1/{signal}"
    return url._replace(path=path, fragment="").geturl(), secure


def _url(text: str) -> tuple[SplitResult, int | None]:
    """Take an endpoint apart. Raises StartError, which does not show it: a password may be in it."""
    try:
        url = urlsplit(text)
        usable, port = url.scheme in {"http", "https"} and bool(url.hostname), url.port
    except ValueError:
        usable = False
    if not usable:
        raise StartError("otlp: the endpoint must be a URL such as http://collector:4317 or https://otlp.example.com")
    if url.username is not None:
        raise StartError("otlp: the endpoint holds a user name; give credentials as a header, by reference")
    return url, port


def _headers(options: Options, variables: _Variables) -> Iterator[tuple[str, str]]:
    """Give the variable's headers, then those of the options, which win."""
    headers = dict(_listed(variables["HEADERS"])) | {
        name.lower(): secret.get_secret_value() for name, secret in options.headers.items()
    }
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.endswith("-bin"):
            raise StartError(
                "otlp: the name of a header has characters that none may have; see OTEL_EXPORTER_OTLP_HEADERS"
            )
        if not _HEADER_VALUE.fullmatch(value):
            raise StartError(f"otlp: the value of header {name} has characters that none may have, such as a newline")
        yield name, value


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Read `name=value,name=value`, percent-encoded as W3C Baggage is."""
    for item in filter(None, map(str.strip, text.split(","))):
        name, equals, value = item.partition("=")
        if not equals:
            raise StartError(f"otlp: {_PREFIX}HEADERS is not of the form name=value,name=value")
        yield unquote(name.strip()).lower(), unquote(value.strip())


def _timeout_s(variables: _Variables) -> float:
    text = variables["TIMEOUT"]
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) <= 3_600_000):
        raise StartError(f"otlp: {_PREFIX}TIMEOUT={text[:20]!r} is not a number of milliseconds from 1 to 3600000")
    return int(text or 10_000) / 1000
