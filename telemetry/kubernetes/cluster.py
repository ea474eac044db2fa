"""One Kubernetes cluster: everything that is watched, and what is known from it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from random import Random
from types import TracebackType
from typing import Any, Self, TypeAlias

from telemetry.config import KubernetesSettings
from telemetry.kubernetes import objects, records
from telemetry.kubernetes.api import Api
from telemetry.kubernetes.pods import Pods
from telemetry.kubernetes.reflector import Kind, Made, Patience, Reflector
from telemetry.kubernetes.services import Services
from telemetry.kubernetes.store import Kept, Store
from telemetry.mesh.workload import Workload

__all__ = ["Cluster"]

AnyStore: TypeAlias = Store[Any]
AnyReflector: TypeAlias = Reflector[Any, Any]

_PODS = Kind("pods", "api/v1", objects.Pod, records.pod)
_SERVICES = Kind("services", "api/v1", objects.Service, records.service)
_SLICES = Kind("endpointslices", "apis/discovery.k8s.io/v1", objects.EndpointSlice, records.slice_)
_REPLICA_SETS = Kind("replicasets", "apis/apps/v1", objects.Object, records.owner)
_JOBS = Kind("jobs", "apis/batch/v1", objects.Object, records.owner)


class Cluster:
    """Knows workloads and services by address. Entering raises StartError when there is no way to sign in.

    A server that is away, or says no, never raises: `run` tries again for ever, `not_ready` and the log say why.

    `relisted`: told the kind and the reason (start, expired, refused) of each list.
    """

    def __init__(
        self,
        settings: KubernetesSettings,
        *,
        default_cluster: str | None = None,
        random: Random | None = None,
        settled_s: float = 1.0,
        relisted: Callable[[str, str], None] = lambda kind, reason: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._random = random or Random()  # noqa: S311 - jitter only
        self._patience = Patience(
            settings.watch_timeout_s, settings.initial_backoff_s, settings.max_backoff_s, settled_s
        )
        self._relisted = relisted
        self._sleep = sleep
        self._api = Api(settings.kubeconfig, settings.context, settings.request_timeout_s)
        self.pods = Pods(settings.cluster or default_cluster, settings.max_objects)
        self.services = Services(settings.domain, settings.max_objects)
        self._reflectors = [one for namespace in settings.namespaces or (None,) for one in self._watching(namespace)]

    async def __aenter__(self) -> Self:
        await self._api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.__aexit__(kind, error, trace)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())

    def workload_of_address(self, address: str) -> Workload | None:
        """Give the workload whose pod has that address. Any thread may ask."""
        return self.pods.workload_of_address(address)

    def host_of_address(self, address: str) -> str | None:
        """Give the host of the service that an address leads to: its own, or an endpoint of it alone."""
        return self.services.host_of_address(address)

    def not_ready(self) -> Mapping[str, str]:
        """Give what has not been listed yet, and why; empty when all has been once.

        What goes wrong later doesn't make us unready: what was known stays good for long, and entries would be lost.
        """
        waiting = [one for one in self._reflectors if not one.synced]
        return {f"kubernetes {one.name}": one.problem or "not listed yet" for one in waiting}

    def problems(self) -> Mapping[str, str]:
        """Give what goes wrong now."""
        return {one.name: one.problem for one in self._reflectors if one.problem}

    def objects(self) -> Mapping[str, int]:
        """Count the objects known, by kind."""
        return {kind: len(store) for kind, store in self._stores()}

    def refused(self) -> Mapping[str, int]:
        """Count the objects not taken for lack of room, by kind."""
        return {kind: store.refused_total for kind, store in self._stores()}

    def _watching(self, namespace: str | None) -> Iterator[AnyReflector]:
        # Owners first: a pod that comes before its owner is named by a guess, for a moment.
        yield self._reflector(_REPLICA_SETS, namespace, self.pods.owners["ReplicaSet"])
        yield self._reflector(_JOBS, namespace, self.pods.owners["Job"])
        yield self._reflector(_PODS, namespace, self.pods.pods)
        yield self._reflector(_SERVICES, namespace, self.services.services)
        yield self._reflector(_SLICES, namespace, self.services.slices)

    def _reflector(self, kind: Kind[Made, Kept], namespace: str | None, store: Store[Kept]) -> Reflector[Made, Kept]:
        return Reflector(
            self._api,
            kind,
            namespace,
            store,
            patience=self._patience,
            random=self._random,
            page_size=self._settings.page_size,
            relisted=self._relisted,
            sleep=self._sleep,
        )

    def _stores(self) -> Iterator[tuple[str, AnyStore]]:
        yield _PODS.name, self.pods.pods
        yield _SERVICES.name, self.services.services
        yield _SLICES.name, self.services.slices
        yield _REPLICA_SETS.name, self.pods.owners["ReplicaSet"]
        yield _JOBS.name, self.pods.owners["Job"]
