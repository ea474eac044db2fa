"""A pod's workload, in Istio's terms: named by who looks after it."""

import re

from telemetry.kubernetes.records import Owner, PodRecord
from telemetry.mesh.workload import Workload, canonical_revision, canonical_service

__all__ = ["top", "workload"]

# A CronJob's jobs end in the minute they were due at.
_CRON_JOB = re.compile(r"(.+)-\d{8,10}")


def workload(pod: PodRecord, owner: Owner, cluster: str | None) -> Workload:
    """Name a pod's workload; `owner`: the one at the top."""
    namespace, instance = pod.key
    labels = dict(pod.labels)
    name = labels.get("service.istio.io/workload-name") or owner.name
    return Workload(
        name=name,
        namespace=namespace,
        cluster=cluster,
        instance=instance,
        # As Istio's injector writes it into a sidecar's OWNER.
        owner=f"kubernetes://apis/{owner.api_version}/namespaces/{namespace}/{owner.kind.lower()}s/{owner.name}",
        app=labels.get("app", ""),
        version=labels.get("version", ""),
        canonical_service=canonical_service(labels, name),
        canonical_revision=canonical_revision(labels),
    )


def top(pod: PodRecord, above: Owner | None, *, known: bool) -> Owner:
    """Give who is at the top above a pod: `above` its owner where that owner is known, else as names tell.

    By name: Istio's rules (pkg/kube/util.go), for owners that we have yet to see or may not read.
    """
    if pod.owner is None:
        return Owner("v1", "Pod", pod.key[1])
    return (above if known else _by_name(pod, pod.owner)) or pod.owner


def _by_name(pod: PodRecord, owner: Owner) -> Owner | None:
    if owner.kind == "ReplicaSet":
        suffix = "-" + dict(pod.labels).get("pod-template-hash", "")
        if len(suffix) > 1 and owner.name.endswith(suffix):
            return Owner(owner.api_version, "Deployment", owner.name.removesuffix(suffix))
    if owner.kind == "Job" and (match := _CRON_JOB.fullmatch(owner.name)):
        return Owner(owner.api_version, "CronJob", match[1])
    return None
