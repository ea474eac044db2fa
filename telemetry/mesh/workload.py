"""Workload: who one end of a request is, in Istio's terms."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Workload", "canonical_revision", "canonical_service"]


@dataclass(frozen=True, slots=True)
class Workload:
    """One end of a request. None: not known; "" : known to be without (an app label that is not set)."""

    name: str | None = None
    namespace: str | None = None
    cluster: str | None = None
    instance: str | None = None
    owner: str | None = None
    app: str | None = None
    version: str | None = None
    canonical_service: str | None = None
    canonical_revision: str | None = None
    service_account: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


def canonical_service(labels: Mapping[str, str], workload: str | None) -> str | None:
    """Give Istio's canonical service: the first label of its list that is set, else the workload's name."""
    for label in ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app"):
        if labels.get(label):
            return labels[label]
    return workload


def canonical_revision(labels: Mapping[str, str]) -> str:
    """Give Istio's canonical revision: the first label of its list that is set, else `latest`."""
    for label in ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"):
        if labels.get(label):
            return labels[label]
    return "latest"
