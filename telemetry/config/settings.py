"""The settings: every key of the configuration file, its default, its bounds, its meaning."""

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from telemetry.config.dead_letters import DeadLetterSettings
from telemetry.config.edges import EdgeSettings
from telemetry.config.envoy_metrics import EnvoyMetricsSettings
from telemetry.config.handlers import HandlerSettings, fit_together, handler_settings
from telemetry.config.hops import HopsSection
from telemetry.config.journal import JournalSettings
from telemetry.config.kubernetes import KubernetesSettings
from telemetry.config.metrics import MetricList, StandardMetricsSettings
from telemetry.config.rules import ProbeSettings, Rules
from telemetry.config.section import Section
from telemetry.config.tls import TlsSettings
from telemetry.config.traces import TracesSection
from telemetry.expressions import ExpressionError, compile  # noqa: A004 - the verb of that room
from telemetry.operations.settings import OperationsSettings
from telemetry.options import Address, Bytes, ReadableFile, Seconds
from telemetry.processors.outcome import KNOWN
from telemetry.processors.redaction_config import RedactionConfig

__all__ = [
    "AccessLogSettings",
    "CoalesceSettings",
    "EnvoyMetricsSettings",
    "GrpcSettings",
    "HttpSettings",
    "JournalSettings",
    "LogSettings",
    "MeshSettings",
    "OperationsSection",
    "OutcomeRule",
    "ReceiverSettings",
    "RedactionSettings",
    "Settings",
    "ShutdownSettings",
    "TlsSettings",
]

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PydanticCustomError("twice", "lists {names} twice", {"names": ", ".join(twice)})
    return names


def _named(pattern: str, otherwise: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Check names against a pattern that no message needs to show."""

    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise PydanticCustomError("name", "{otherwise}", {"otherwise": otherwise})
        return name

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


# Header names know no case, and Envoy sends them in lower case.
Header = Annotated[
    str,
    AfterValidator(str.lower),
    *_named(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", "must be the name of a header, such as content-type"),
]
Headers = Annotated[tuple[Header, ...], Field(max_length=64), AfterValidator(_distinct)]
FilterStateKey = Annotated[str, StringConstraints(min_length=1, max_length=256)]
FilterStateKeys = Annotated[tuple[FilterStateKey, ...], Field(max_length=64), AfterValidator(_distinct)]


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


class AccessLogSettings(Section):
    """What becomes a column of its own in decoding; Envoy sends it only when told to (`telemetry generate`)."""

    request_headers: Headers = Field(
        (
            ":method",
            "content-type",
            "traceparent",
            "tracestate",
            "b3",
            "x-b3-traceid",
            "x-b3-spanid",
            "x-b3-parentspanid",
            "x-b3-sampled",
        ),
        description="Request headers that become columns: method, protocol and trace are read from them.",
    )
    response_headers: Headers = Field(("grpc-status",), description="Response headers read for gRPC's status.")
    response_trailers: Headers = Field(("grpc-status",), description="Response trailers read for gRPC's status.")
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


class HttpSettings(_Listener):
    """Where people and Prometheus look: /metrics, /healthz, /readyz."""

    address: Address = Field(Address("127.0.0.1", 9902), description="Where to listen; port 0 takes a free one.")


class MeshSettings(Section):
    """What is known about the mesh beforehand."""

    default_cluster: str = Field(
        "Kubernetes", min_length=1, max_length=253,
        description="Cluster of workloads that do not say theirs. Istio's name for a single cluster.",
    )  # fmt: skip
    max_addresses: int = Field(
        100_000, ge=100, le=10_000_000,
        description="Addresses remembered with their workload; the longest unused are forgotten. About 200 bytes each.",
    )  # fmt: skip
    dialect: Literal[
        "auto", "istio", "consul", "envoy_gateway", "kuma", "app_mesh", "traffic_director", "osm", "plain"
    ] = Field("auto", description="Whose names to expect. auto: of whichever mesh an Envoy shows itself to be.")
    catalog: ReadableFile | None = Field(
        None, description="The service catalog, a YAML file of its own; read anew when it changes. null: none."
    )
    kubernetes: KubernetesSettings | None = Field(
        None, description="Ask Kubernetes who answers on which address; {} for all defaults. null: don't."
    )


class OperationsSection(Section, OperationsSettings):
    """How requests get the name of their operation; made only where a handler takes entries."""


def _match(text: str) -> str:
    try:
        compile(text, KNOWN)
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{fault}", {"fault": str(error)}) from None
    return text


class OutcomeRule(Section):
    """Requests whose outcome you know better."""

    match: Annotated[str, AfterValidator(_match)] = Field(
        description="Which requests, in CEL over the attributes of an entry."
    )
    outcome: Literal["success", "client_error", "server_error", "none"] = Field(description="What became of them.")


class RedactionSettings(Section, RedactionConfig):
    """What leaves the entries before anything stores them."""

    enabled: bool = Field(True, description="Redact. Turn it off only where nothing but metrics leaves this process.")


class ShutdownSettings(Section):
    """How it ends."""

    deadline_s: Seconds = Field(
        30.0, alias="deadline", ge=0, le=3600, description="Time to deliver what was received, after SIGTERM."
    )


class LogSettings(Section):
    """What we log about ourselves, to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level logged.")
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: console on a terminal, one JSON object a line otherwise."
    )


HandlerName = Annotated[
    str,
    *_named(r"[a-z][a-z0-9_-]{0,62}", "names are lower-case letters, digits, - and _, and begin with a letter"),
]
Handler = Annotated[HandlerSettings, handler_settings()]


def _default_handlers() -> dict[str, Any]:
    return {"prometheus": {"adapter": "prometheus"}}


class Settings(Section):
    """The whole configuration; made by `load`, or in Python with field names, where durations are plain seconds."""

    receiver: ReceiverSettings = Field(default_factory=ReceiverSettings, description="What comes in.")
    http: HttpSettings = Field(default_factory=HttpSettings, description="Our HTTP server.")
    journal: JournalSettings = Field(default_factory=JournalSettings, description="What is yet to be delivered.")
    mesh: MeshSettings = Field(default_factory=MeshSettings, description="What is known about the mesh beforehand.")
    handlers: Annotated[Mapping[HandlerName, Handler], AfterValidator(fit_together)] = Field(
        default_factory=_default_handlers, validate_default=True, min_length=1,
        description="Where everything goes: configured adapters by name. The name is the handler's in every metric. "
        "Default: one named prometheus.",
    )  # fmt: skip
    # After the handlers, which they name.
    rules: Rules = Field(
        (), max_length=1000,
        description="Which rows go to which handlers, and how many of them. A handler that no rule names gets all.",
    )  # fmt: skip
    probes: ProbeSettings = Field(
        default_factory=ProbeSettings, description="What asks only whether a workload lives, or how it is."
    )
    metrics: MetricList = Field((), max_length=1000, description="Metrics of your own, beside the standard ones.")
    standard_metrics: StandardMetricsSettings = Field(
        default_factory=StandardMetricsSettings, description="What is changed of Istio's standard metrics."
    )
    outcomes: tuple[OutcomeRule, ...] = Field(
        (), max_length=1000,
        description="What counts as an error, where it is not what Kiali takes for one; the first match decides.",
    )  # fmt: skip
    operations: OperationsSection = Field(
        default_factory=OperationsSection, description="How requests get the name of their operation."
    )
    hops: HopsSection = Field(default_factory=HopsSection, description="How both ends of a request find each other.")
    edges: EdgeSettings = Field(default_factory=EdgeSettings, description="Who calls whom, and how it goes.")
    traces: TracesSection = Field(
        default_factory=TracesSection, description="How entries become traces, where a handler takes spans."
    )
    redaction: RedactionSettings = Field(
        default_factory=RedactionSettings, description="What leaves the entries before anything stores them."
    )
    dead_letters: DeadLetterSettings = Field(
        default_factory=DeadLetterSettings, description="Where rows are kept that a sink will never take."
    )
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings, description="How it ends.")
    log: LogSettings = Field(default_factory=LogSettings, description="What we log about ourselves.")
