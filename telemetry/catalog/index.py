"""One state of the catalog: services by name, host and address."""

from collections.abc import Iterable, Mapping
from itertools import islice

from telemetry.catalog.model import Service
from telemetry.catalog.networks import Networks
from telemetry.mesh.workload import Workload

__all__ = ["Index"]

_DOMAIN = "cluster.local"


class Index:
    """Finds services; never changes once made. No text makes any of these raise."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self.services = tuple(services)
        self._hosts, self._below = _hosts(self.services)
        self._networks = Networks(
            (network, (service, service.as_workload())) for service in self.services for network in service.addresses
        )
        self._names = {service.key: service for service in reversed(self.services)}

    def service_named(self, key: str) -> Service | None:
        """Give the service of that name: `namespace/name`, or `name` for one without namespace."""
        return self._names.get(key)

    def service_of_host(self, host: str) -> Service | None:
        """Give the service of a host without port, in any case: its exact host first, else the longest wildcard."""
        host = host.lower().rstrip(".")
        if found := self._hosts.get(host):
            return found
        if not self._below or len(host) > 253:
            return None
        labels = host.split(".")
        suffixes = (".".join(labels[at:]) for at in range(1, len(labels)))
        return next((found for suffix in islice(suffixes, 128) if (found := self._below.get(suffix))), None)

    def service_of_address(self, address: str) -> Service | None:
        """Give the service that states that address, or the smallest network around it."""
        found = self._networks.find(address)
        return found[0] if found else None

    def workload_of_address(self, address: str) -> Workload | None:
        """Give the workload behind that address."""
        found = self._networks.find(address)
        return found[1] if found else None


def _hosts(services: Iterable[Service]) -> tuple[Mapping[str, Service], Mapping[str, Service]]:
    """Give exact hosts, and what wildcards stand before."""
    exact: dict[str, Service] = {}
    below: dict[str, Service] = {}
    for service in services:
        for host in service.hosts:
            if host.startswith("*."):
                below[host[2:]] = service
            else:
                exact[host] = service
    for service in services:
        for host in _kubernetes_hosts(service):
            exact.setdefault(host, service)
    return exact, below


def _kubernetes_hosts(service: Service) -> Iterable[str]:
    if not service.namespace:
        return ()
    short = f"{service.name}.{service.namespace}".lower()
    return short, f"{short}.svc", f"{short}.svc.{_DOMAIN}"
