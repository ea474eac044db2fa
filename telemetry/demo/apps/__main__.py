"""All applications of a mesh in one process: `python -m telemetry.demo.apps TOPOLOGY.json`."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send

from telemetry.demo.apps.bookinfo import http_app
from telemetry.demo.apps.mongodb import serve_database
from telemetry.demo.apps.sidecar import Sidecar
from telemetry.demo.topology import APP_PORT, Topology


async def main(topology: Topology) -> None:
    """Serve every workload's application on its own address until SIGTERM."""
    pods = [workload for workload in topology.workloads if not workload.gateway]
    databases = [workload for workload in pods if topology.service(workload.service).tcp]
    servers = [await serve_database(workload) for workload in databases]
    sidecars = {workload.address: Sidecar(topology, workload) for workload in pods if workload not in databases}
    apps = {
        workload.address: http_app(topology, workload, sidecars[workload.address])
        for workload in pods
        if workload not in databases
    }
    config = uvicorn.Config(_by_address(apps), lifespan="off", access_log=False, log_level="warning")
    await uvicorn.Server(config).serve(sockets=[_listening(address) for address in apps])
    for sidecar in sidecars.values():
        await sidecar.aclose()
    for server in servers:
        server.close()


def _by_address(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][0]](scope, receive, send)

    return dispatch


def _listening(address: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, APP_PORT))
    return listener


if __name__ == "__main__":
    asyncio.run(main(TypeAdapter(Topology).validate_json(Path(sys.argv[1]).read_bytes())))
