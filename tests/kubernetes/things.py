"""Objects as the API writes them."""

from typing import Any

Item = dict[str, Any]


def reference(kind: str, name: str, api_version: str = "apps/v1") -> Item:
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": True}


def meta(namespace: str, name: str, owner: Item | None = None, labels: dict[str, str] | None = None) -> Item:
    made: Item = {"name": name, "namespace": namespace, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    if owner:
        made["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": "n"}, owner]
    if labels:
        made["labels"] = labels
    return made


def pod(
    namespace: str,
    name: str,
    *ips: str,
    owner: Item | None = None,
    labels: dict[str, str] | None = None,
    phase: str = "Running",
    host_network: bool = False,
    created: str = "2026-01-01T00:00:00Z",
    ending: bool = False,
) -> Item:
    made = meta(namespace, name, owner, labels) | {"creationTimestamp": created}
    if ending:
        made["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    spec: Item = {"containers": [{"name": "app", "image": "app:1"}]}
    if host_network:
        spec["hostNetwork"] = True
    state: Item = {"phase": phase}
    if ips:
        state |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec, "status": state}


def replica_set(namespace: str, name: str, deployment: str | None = None) -> Item:
    owner = reference("Deployment", deployment) if deployment else None
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta(namespace, name, owner), "spec": {}}


def job(namespace: str, name: str, cron_job: str | None = None) -> Item:
    owner = reference("CronJob", cron_job, "batch/v1") if cron_job else None
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta(namespace, name, owner), "spec": {}}


def service(namespace: str, name: str, *ips: str, external: tuple[str, ...] = (), balancer: str = "") -> Item:
    own = list(ips) or ["None"]
    spec: Item = {"clusterIP": own[0], "clusterIPs": own}
    if external:
        spec["externalIPs"] = list(external)
    ingress = {"ingress": [{"ip": balancer}, {"hostname": "lb.example"}]} if balancer else {}
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": meta(namespace, name),
        "spec": spec, "status": {"loadBalancer": ingress},
    }  # fmt: skip


def endpoints(namespace: str, name: str, of: str, *ips: str) -> Item:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": meta(namespace, name, labels={"kubernetes.io/service-name": of}),
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips] or None, "ports": None,
    }  # fmt: skip
