"""What stands in the mesh: services, workloads, and who answers for whom (Istio's Bookinfo by default)."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

__all__ = [
    "ADMIN_PORT",
    "APP_PORT",
    "GATEWAY_PORT",
    "OUTBOUND_PORT",
    "TRUST_DOMAIN",
    "Service",
    "Subset",
    "Topology",
    "Workload",
    "bookinfo",
]

_Named = TypeVar("_Named", "Service", "Workload")

TRUST_DOMAIN = "cluster.local"
ADMIN_PORT = 15000
OUTBOUND_PORT = 15001
GATEWAY_PORT = 8080
APP_PORT = 8000


@dataclass(frozen=True, slots=True)
class Subset:
    """The part of a service that runs one version, and its share of the traffic."""

    version: str
    weight: int


@dataclass(frozen=True, slots=True)
class Service:
    """A name that workloads are called by. `subsets`: where requests are split by version, else none.

    `http2`: sidecars speak HTTP/2 to it, else HTTP/1.1. `tcp`: it is not HTTP at all.
    """

    name: str
    port: int = 9080
    namespace: str = "default"
    subsets: tuple[Subset, ...] = ()
    http2: bool = False
    tcp: bool = False

    @property
    def host(self) -> str:
        """The fully qualified name, as in Istio's cluster names."""
        return f"{self.name}.{self.namespace}.svc.{TRUST_DOMAIN}"

    def cluster(self, version: str = "") -> str:
        """Istio's name for the outbound cluster of this service, or of one version of it."""
        return f"outbound|{self.port}|{version}|{self.host}"


@dataclass(frozen=True, slots=True)
class Workload:
    """One pod: an application and its sidecar on a loopback address of their own; or a gateway.

    `service` is the name of the service it answers for, and of the application that runs in it.
    `delay_s`: bounds of the time that each answer waits. `failure_ratio`: share of answers that are 503.
    """

    name: str
    address: str
    service: str
    version: str
    service_account: str
    namespace: str = "default"
    gateway: bool = False
    delay_s: tuple[float, float] = (0.0, 0.0)
    failure_ratio: float = 0.0

    @property
    def pod(self) -> str:
        """A pod name like those that a Deployment makes."""
        return f"{self.name}-5f7c6d9b8d-{zlib.crc32(self.name.encode()) % 16**5:05x}"

    @property
    def spiffe_id(self) -> str:
        """The identity that its certificate carries."""
        return f"spiffe://{TRUST_DOMAIN}/ns/{self.namespace}/sa/{self.service_account}"


@dataclass(frozen=True, slots=True)
class Topology:
    """Services and workloads; names and addresses are unique."""

    services: tuple[Service, ...]
    workloads: tuple[Workload, ...]

    @property
    def gateway(self) -> Workload:
        """The workload that outside clients call."""
        return next(workload for workload in self.workloads if workload.gateway)

    def service(self, name: str) -> Service:
        """Give the service of that name. Raises KeyError when there is none."""
        return _named(self.services, name)

    def workload(self, name: str) -> Workload:
        """Give the workload of that name. Raises KeyError when there is none."""
        return _named(self.workloads, name)

    def endpoints(self, service: Service, version: str = "") -> tuple[Workload, ...]:
        """Give the workloads that answer for a service, or for one version of it."""
        return tuple(
            workload
            for workload in self.workloads
            if workload.service == service.name and version in ("", workload.version)
        )


def _named(things: Iterable[_Named], name: str) -> _Named:
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(name)


def bookinfo(network: str = "127.0.10") -> Topology:
    """Give Istio's Bookinfo on the loopback addresses `network`.2 and up.

    gateway → productpage → details and reviews v1/v2/v3, one third each; v2 and v3 → ratings → mongodb (TCP).
    Ratings fails one time in five; reviews v3 takes 150 to 300 ms.
    """
    return Topology(
        services=(
            Service("productpage"),
            Service("details", http2=True),
            Service("reviews", subsets=(Subset("v1", 34), Subset("v2", 33), Subset("v3", 33))),
            Service("ratings"),
            Service("mongodb", port=27017, tcp=True),
        ),
        workloads=(
            Workload(
                "istio-ingressgateway",
                f"{network}.2",
                "istio-ingressgateway",
                "",
                namespace="istio-system",
                service_account="istio-ingressgateway-service-account",
                gateway=True,
            ),
            Workload("productpage-v1", f"{network}.3", "productpage", "v1", "bookinfo-productpage"),
            Workload("details-v1", f"{network}.4", "details", "v1", "bookinfo-details"),
            Workload("reviews-v1", f"{network}.5", "reviews", "v1", "bookinfo-reviews"),
            Workload("reviews-v2", f"{network}.6", "reviews", "v2", "bookinfo-reviews"),
            Workload("reviews-v3", f"{network}.7", "reviews", "v3", "bookinfo-reviews", delay_s=(0.15, 0.30)),
            Workload("ratings-v1", f"{network}.8", "ratings", "v1", "bookinfo-ratings", failure_ratio=0.2),
            Workload("mongodb-v1", f"{network}.9", "mongodb", "v1", "bookinfo-mongodb"),
        ),
    )
