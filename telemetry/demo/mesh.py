"""The running mesh: certificates, one Envoy for each workload, and the applications behind them."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import orjson
import polars as pl
from pydantic import TypeAdapter

import telemetry
from telemetry.demo.access_log_files import access_log_file, read_access_logs
from telemetry.demo.binaries import envoy_binary
from telemetry.demo.certificates import CertificatePaths, issue_certificates
from telemetry.demo.drain import DRAIN_TIME_S, drain
from telemetry.demo.envoy.bootstrap import bootstrap
from telemetry.demo.network import require_free
from telemetry.demo.processes import Process, answers
from telemetry.demo.topology import ADMIN_PORT, APP_PORT, GATEWAY_PORT, Topology, Workload
from telemetry.errors import StartError

__all__ = ["Mesh", "python_environment"]

_FILE_FLUSH_INTERVAL_MS = 200
_PROBE_TIMEOUT_S = 2.0


class Mesh:
    """A mesh on loopback from `async with` to its end.

    `als_address`: where Envoys report, host address and port; it may be absent and come later.
    `access_log_files`: let Envoys write files too, the ground truth, growing by 1 KB an entry.
    `folder`: where certificates, configurations, access logs and output go; it must exist, and stays.
    Entering raises StartError when a server doesn't come up, with the end of its output.
    """

    def __init__(
        self,
        topology: Topology,
        als_address: tuple[str, int],
        folder: Path,
        *,
        access_log_files: bool = True,
        buffer_flush_interval_s: float = 1.0,
    ) -> None:
        self.topology = topology
        self.folder = folder
        self._als_address = als_address
        self._access_log_files = access_log_files
        self._buffer_flush_interval_s = buffer_flush_interval_s
        self._processes: dict[str, Process] = {}
        self._stack = AsyncExitStack()
        self._probe = httpx.AsyncClient(timeout=_PROBE_TIMEOUT_S)

    @property
    def gateway_url(self) -> str:
        """Where outside clients call."""
        return f"http://{self.topology.gateway.address}:{GATEWAY_PORT}"

    @property
    def processes(self) -> Mapping[str, Process]:
        """The Envoys by the name of their workload, and `apps`."""
        return self._processes

    def access_logs(self) -> pl.DataFrame:
        """Read what the Envoys have written so far; columns as `read_access_logs` gives them."""
        return read_access_logs(self.folder, self.topology)

    async def restart(self, name: str, *, drained: bool = True) -> None:
        """Stop and start a workload's Envoy, or `apps`. Raises StartError when it doesn't come up.

        `drained`: let an Envoy finish its requests and report them first; else it loses what it still buffers.
        """
        if drained and name != "apps":
            await drain(self._probe, self._admin_url(self.topology.workload(name)), self._buffer_flush_interval_s)
        await self._processes[name].stop()
        await self._processes[name].start()

    async def __aenter__(self) -> Self:
        for workload in self.topology.workloads:
            require_free(workload.address, ADMIN_PORT)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._probe)
            self._processes = self._prepare()
            for process in self._processes.values():
                stack.push_async_exit(process)
            # Not one after the other: most of their starts is waiting.
            await _all(process.start() for process in self._processes.values())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _prepare(self) -> dict[str, Process]:
        certificates = issue_certificates(self.topology.workloads, self.folder / "certificates", datetime.now(UTC))
        envoys = {
            workload.name: self._envoy(workload, certificates[workload.name]) for workload in self.topology.workloads
        }
        return {**envoys, "apps": self._apps()}

    def _configuration(self, workload: Workload, certificates: CertificatePaths) -> Path:
        access_log = access_log_file(self.folder, workload)
        access_log.touch()
        content = bootstrap(
            self.topology,
            workload,
            certificates=certificates,
            als_address=self._als_address,
            access_log=access_log if self._access_log_files else None,
            buffer_flush_interval_s=self._buffer_flush_interval_s,
        )
        path = self.folder / f"{workload.name}.envoy.json"
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        return path

    def _envoy(self, workload: Workload, certificates: CertificatePaths) -> Process:
        command = (
            envoy_binary(),
            "--config-path", self._configuration(workload, certificates),
            "--concurrency", "1",
            "--disable-hot-restart",
            "--drain-time-s", str(DRAIN_TIME_S),
            "--log-level", "warning",
            "--file-flush-interval-msec", str(_FILE_FLUSH_INTERVAL_MS),
        )  # fmt: skip
        ready_url = f"{self._admin_url(workload)}/ready"
        log = self.folder / f"{workload.name}.envoy.log"
        return Process(f"Envoy of {workload.name}", command, log, lambda: answers(self._probe, ready_url))

    def _admin_url(self, workload: Workload) -> str:
        return f"http://{workload.address}:{ADMIN_PORT}"

    def _apps(self) -> Process:
        path = self.folder / "topology.json"
        path.write_bytes(TypeAdapter(Topology).dump_json(self.topology))
        command = (sys.executable, "-m", "telemetry.demo.apps", path)
        details = self.topology.endpoints(self.topology.service("details"))[0]
        ready_url = f"http://{details.address}:{APP_PORT}/details/0"
        return Process(
            "the applications",
            command,
            self.folder / "apps.log",
            lambda: answers(self._probe, ready_url),
            environment=python_environment(),
        )


def python_environment() -> dict[str, str]:
    """Give the environment in which a child Python imports the same `telemetry` as we do."""
    package = str(Path(telemetry.__file__).resolve().parents[1])
    paths = (package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


async def _all(starts: Iterable[Coroutine[None, None, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(start)
    except* StartError as errors:
        first = errors.exceptions[0]
    else:
        return
    raise first
