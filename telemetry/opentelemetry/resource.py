"""What the operator says of all workloads, and who we are ourselves: OpenTelemetry SDK's resource detection."""

from typing import Any

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

__all__ = ["common_attributes", "own_attributes"]


def common_attributes() -> dict[str, Any]:
    """Give OTEL_RESOURCE_ATTRIBUTES but for `service.*`: those tell of this process, not of the workloads."""
    detected = OTELResourceDetector().detect().attributes
    return {name: value for name, value in detected.items() if not name.startswith("service.")}


def own_attributes() -> dict[str, Any]:
    """Give our own resource, for metrics that are no workload's: OTEL_SERVICE_NAME, else mesh-telemetry."""
    own = Resource.create({"service.name": "mesh-telemetry"} | dict(OTELResourceDetector().detect().attributes))
    return {name: value for name, value in own.attributes.items() if isinstance(value, str | bool | int | float)}
