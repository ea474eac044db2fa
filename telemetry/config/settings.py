"""The settings: every key of the configuration file, its default, its bounds, its meaning."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from telemetry.config.dead_letters import DeadLetterSettings
from telemetry.config.edges import EdgeSettings
from telemetry.config.handlers import DEFAULT_HANDLERS, HandlerSettings, handler_settings
from telemetry.config.hops import HopsSection
from telemetry.config.journal import JournalSettings
from telemetry.config.kubernetes import KubernetesSettings
from telemetry.config.listeners import GrpcSettings, HttpSettings
from telemetry.config.metrics import MetricList
from telemetry.config.names import named
from telemetry.config.receiver import AccessLogSettings, CoalesceSettings, ReceiverSettings
from telemetry.config.rules import ProbeSettings, Rules
from telemetry.config.section import Section
from telemetry.config.side_by_side import fit_together
from telemetry.config.standard_metrics import StandardMetricsSettings
from telemetry.config.tls import TlsSettings
from telemetry.config.traces import TracesSection
from telemetry.expressions import ExpressionError, compile  # noqa: A004 - the verb of that room
from telemetry.operations.settings import OperationsSettings
from telemetry.options import ReadableFile, Seconds
from telemetry.processors.outcome import KNOWN
from telemetry.processors.redaction_config import RedactionConfig

__all__ = [
    "AccessLogSettings",
    "CoalesceSettings",
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
    *named(r"[a-z][a-z0-9_-]{0,62}", "names are lower-case letters, digits, - and _, and begin with a letter"),
]
Handler = Annotated[HandlerSettings, handler_settings()]


def _default_handlers() -> dict[str, Any]:
    return dict(DEFAULT_HANDLERS)


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
