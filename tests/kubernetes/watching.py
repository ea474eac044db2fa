"""A cluster watched over HTTP, with little patience."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

from telemetry.config import KubernetesSettings
from telemetry.kubernetes import Cluster
from tests.kubernetes.server import ApiServer

QUICK = {
    "page_size": 2,
    "request_timeout_s": 5.0,
    "watch_timeout_s": 30.0,
    "initial_backoff_s": 0.001,
    "max_backoff_s": 0.02,
}


class Lists:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self, kind: str, reason: str) -> None:
        self.told.append((kind, reason))

    def of(self, kind: str) -> list[str]:
        return [reason for name, reason in self.told if name == kind]


@asynccontextmanager
async def watching(
    server: ApiServer,
    folder: Path,
    lists: Lists | None = None,
    *,
    token: str = "good",
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    **more: object,
) -> AsyncIterator[Cluster]:
    file = folder / "kubeconfig"
    file.write_text(server.kubeconfig(token))
    settings = KubernetesSettings.model_validate({**QUICK, **more, "kubeconfig": file})
    cluster = Cluster(
        settings,
        default_cluster="Kubernetes",
        random=Random(1),
        settled_s=0.02,
        relisted=lists or Lists(),
        sleep=sleep,
    )
    async with cluster:
        task = asyncio.create_task(cluster.run())
        try:
            yield cluster
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


async def synced(cluster: Cluster) -> None:
    await until(lambda: not cluster.not_ready())
