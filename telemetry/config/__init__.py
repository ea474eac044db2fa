"""YAML to frozen settings; all faults at once, with line and column."""

from telemetry.config.handlers import DeliverySettings, HandlerSettings
from telemetry.config.kubernetes import KubernetesSettings
from telemetry.config.loading import load
from telemetry.config.settings import (
    AccessLogSettings,
    CoalesceSettings,
    GrpcSettings,
    HttpSettings,
    JournalSettings,
    LogSettings,
    MeshSettings,
    ReceiverSettings,
    Settings,
    ShutdownSettings,
    TlsSettings,
)
from telemetry.options import Address

__all__ = [
    "AccessLogSettings",
    "Address",
    "CoalesceSettings",
    "DeliverySettings",
    "GrpcSettings",
    "HandlerSettings",
    "HttpSettings",
    "JournalSettings",
    "KubernetesSettings",
    "LogSettings",
    "MeshSettings",
    "ReceiverSettings",
    "Settings",
    "ShutdownSettings",
    "TlsSettings",
    "load",
]
