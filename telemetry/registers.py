"""What others than Envoys know of the mesh: the service catalog, and Kubernetes."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from telemetry.catalog import Catalog
from telemetry.config import KubernetesSettings, MeshSettings
from telemetry.errors import StartError
from telemetry.mesh.addresses import Addresses
from telemetry.selfmetrics import SelfMetrics

if TYPE_CHECKING:
    from telemetry.kubernetes import Cluster

__all__ = ["Registers"]


class Registers:
    """The registers that are configured, and the addresses that are asked through them.

    Making them raises ConfigError with every fault of the catalog, and StartError when the extra `kubernetes` is
    missing; entering raises StartError when there is no way to sign in.
    """

    def __init__(self, settings: MeshSettings, metrics: SelfMetrics) -> None:
        self._metrics = metrics
        self.catalog = Catalog(settings.catalog, lambda result: metrics.catalog_reloads.labels(result).inc())
        self.cluster = _cluster(settings.kubernetes, settings.default_cluster, metrics) if settings.kubernetes else None
        self.addresses = Addresses(
            settings.max_addresses, before=[self.cluster] if self.cluster else [], after=[self.catalog]
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self.cluster:
            await self._stack.enter_async_context(self.cluster)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Keep them up to date until cancelled; returns at once when none is configured."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.catalog.run())
            if self.cluster:
                group.create_task(self.cluster.run())

    def not_ready(self) -> Mapping[str, str]:
        """Give what has not been read yet, and why."""
        return self.cluster.not_ready() if self.cluster else {}

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self._metrics.addresses.set(len(self.addresses))
        self._metrics.catalog_services.set(len(self.catalog.services))
        if self.cluster:
            self._metrics.kubernetes_problems.set(len(self.cluster.problems()))
            for kind, count in self.cluster.objects().items():
                self._metrics.kubernetes_objects.labels(kind).set(count)
            for kind, count in self.cluster.refused().items():
                self._metrics.kubernetes_refused.labels(kind).set(count)


def _cluster(settings: KubernetesSettings, default_cluster: str, metrics: SelfMetrics) -> "Cluster":
    try:
        from telemetry.kubernetes import Cluster  # noqa: PLC0415 - an extra, and 45 MB
    except ModuleNotFoundError as error:
        message = f"mesh.kubernetes: no module {error.name}; run `pip install 'mesh-telemetry[kubernetes]'`"
        raise StartError(message) from error
    return Cluster(
        settings,
        default_cluster=default_cluster,
        relisted=lambda kind, reason: metrics.kubernetes_relists.labels(kind, reason).inc(),
    )
