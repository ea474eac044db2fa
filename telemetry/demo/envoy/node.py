"""Who an Envoy says it is: Istio's node id and metadata."""

from telemetry.demo.envoy.typed import Json
from telemetry.demo.topology import TRUST_DOMAIN, Workload

__all__ = ["node"]

_ISTIO_VERSION = "1.27.1"
_KUBERNETES_CLUSTER = "Kubernetes"


def node(workload: Workload) -> Json:
    """Give the `core.v3.Node` of a workload's Envoy."""
    kind = "router" if workload.gateway else "sidecar"
    pod = f"{workload.pod}.{workload.namespace}"
    return {
        "id": f"{kind}~{workload.address}~{pod}~{workload.namespace}.svc.{TRUST_DOMAIN}",
        "cluster": f"{workload.service}.{workload.namespace}",
        "locality": {"region": "local", "zone": "local-a"},
        "metadata": _metadata(workload),
    }


def _metadata(workload: Workload) -> Json:
    deployments = f"kubernetes://apis/apps/v1/namespaces/{workload.namespace}/deployments"
    return {
        "NAME": workload.pod,
        "NAMESPACE": workload.namespace,
        "WORKLOAD_NAME": workload.name,
        "OWNER": f"{deployments}/{workload.name}",
        "LABELS": _labels(workload),
        "SERVICE_ACCOUNT": workload.service_account,
        "CLUSTER_ID": _KUBERNETES_CLUSTER,
        "MESH_ID": TRUST_DOMAIN,
        "INSTANCE_IPS": workload.address,
        "ISTIO_VERSION": _ISTIO_VERSION,
        "INTERCEPTION_MODE": "REDIRECT",
    }


def _labels(workload: Workload) -> Json:
    version = {"version": workload.version} if workload.version else {}
    return {
        "app": workload.service,
        **version,
        "service.istio.io/canonical-name": workload.service,
        "service.istio.io/canonical-revision": workload.version or "latest",
        "security.istio.io/tlsMode": "istio",
    }
