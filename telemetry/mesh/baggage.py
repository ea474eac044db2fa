"""A workload as baggage tells it: OpenTelemetry's resource names, comma-joined, as Istio's ambient mode sends them."""

from urllib.parse import unquote

from telemetry.mesh.workload import Workload

__all__ = ["workload_of_baggage"]

# The kinds of workload, in the order of trust: a pod's own name is the weakest.
_WORKLOADS = ("k8s.deployment.name", "k8s.cronjob.name", "k8s.job.name", "k8s.pod.name")


def workload_of_baggage(text: str) -> Workload | None:
    """Read `k8s.cluster.name=c,k8s.namespace.name=n,k8s.deployment.name=w,…`; None when it names no workload."""
    pairs = (member.partition(";")[0].partition("=") for member in text.split(","))
    said = {key.strip(): unquote(value.strip()) for key, _, value in pairs if value.strip()}
    name = next((said[key] for key in _WORKLOADS if key in said), None)
    if name is None:
        return None
    return Workload(
        name=name,
        namespace=said.get("k8s.namespace.name"),
        cluster=said.get("k8s.cluster.name"),
        instance=said.get("k8s.instance.name") or said.get("k8s.pod.name"),
        app=said.get("app.name") or said.get("service.name"),
        version=said.get("app.version") or said.get("service.version"),
        canonical_service=said.get("service.name") or name,
        canonical_revision=said.get("service.version") or "latest",
    )
