"""Records: what is remembered of each object."""

from dataclasses import dataclass
from typing import TypeAlias

from telemetry.kubernetes import objects

__all__ = [
    "Key",
    "Owner",
    "OwnerRecord",
    "PodRecord",
    "Record",
    "ServiceRecord",
    "SliceRecord",
    "owner",
    "pod",
    "service",
    "slice_",
]

Key: TypeAlias = tuple[str, str]
"""Namespace and name."""

# Those that name a workload: the rest of a pod's labels is not kept.
_LABELS = frozenset(
    {
        "app",
        "version",
        "app.kubernetes.io/name",
        "app.kubernetes.io/version",
        "service.istio.io/canonical-name",
        "service.istio.io/canonical-revision",
        "service.istio.io/workload-name",
        "pod-template-hash",
    }
)
_SERVICE_NAME = "kubernetes.io/service-name"
_OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Owner:
    """An object that looks after others."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod. `addresses`: those that are its alone, none when it uses its node's or has ended."""

    key: Key
    addresses: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    owner: Owner | None
    created: str
    ending: bool


@dataclass(frozen=True, slots=True)
class OwnerRecord:
    """A ReplicaSet or a Job: of interest for who looks after it."""

    key: Key
    owner: Owner | None


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A service and the addresses that lead to it."""

    key: Key
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SliceRecord:
    """Some addresses behind a service."""

    key: Key
    service: Key
    addresses: tuple[str, ...]


Record: TypeAlias = PodRecord | OwnerRecord | ServiceRecord | SliceRecord


def pod(made: objects.Pod) -> PodRecord:
    """Reduce a pod."""
    meta, status = made.metadata, made.status
    alone = not made.spec.host_network and status.phase not in _OVER
    addresses = _distinct(status.pod_ip, *(one.ip for one in status.pod_ips)) if alone else ()
    labels = tuple(sorted((name, value) for name, value in meta.labels.items() if name in _LABELS))
    ending = meta.deletion_timestamp is not None
    return PodRecord(_key(meta), addresses, labels, _owner(meta), meta.creation_timestamp or "", ending)


def owner(made: objects.Object) -> OwnerRecord:
    """Reduce a ReplicaSet or a Job."""
    return OwnerRecord(_key(made.metadata), _owner(made.metadata))


def service(made: objects.Service) -> ServiceRecord:
    """Reduce a service; one without address of its own (headless) has none."""
    spec = made.spec
    balancers = (one.ip for one in made.status.load_balancer.ingress)
    stated = _distinct(spec.cluster_ip, *spec.cluster_ips, *spec.external_ips, *balancers)
    return ServiceRecord(_key(made.metadata), tuple(address for address in stated if address != "None"))


def slice_(made: objects.EndpointSlice) -> SliceRecord:
    """Reduce an endpoint slice; one of names, or of no service, has no addresses."""
    meta = made.metadata
    name = meta.labels.get(_SERVICE_NAME, "")
    told = name and made.address_type != "FQDN"
    addresses = _distinct(*(address for one in made.endpoints for address in one.addresses)) if told else ()
    return SliceRecord(_key(meta), (meta.namespace, name), addresses)


def _key(meta: objects.Metadata) -> Key:
    return meta.namespace, meta.name


def _owner(meta: objects.Metadata) -> Owner | None:
    found = next((one for one in meta.owner_references if one.controller), None)
    return Owner(found.api_version, found.kind, found.name) if found else None


def _distinct(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
