"""An application's way out: every call goes to its own sidecar, with the caller's trace and request id."""

import httpx
from starlette.requests import Request

from telemetry.demo.topology import OUTBOUND_PORT, Topology, Workload

__all__ = ["PROPAGATED", "Sidecar"]

# What Bookinfo's applications pass on, so that the hops of one request can be told.
PROPAGATED = (
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
)
_TIMEOUT_S = 15.0


class Sidecar:
    """Calls services of the mesh by name, from the workload's own address as a pod would."""

    def __init__(self, topology: Topology, workload: Workload) -> None:
        self._topology = topology
        self._client = httpx.AsyncClient(
            base_url=f"http://{workload.address}:{OUTBOUND_PORT}",
            transport=httpx.AsyncHTTPTransport(
                local_address=workload.address,
                # A queue for connections would only hide the load from the mesh, and costs its square.
                limits=httpx.Limits(max_connections=None),
            ),
            timeout=_TIMEOUT_S,
        )

    async def get(self, service: str, path: str, caused_by: Request) -> httpx.Response:
        """Get a path of a service on behalf of a request. Raises httpx.TransportError without a sidecar."""
        port = self._topology.service(service).port
        headers = {name: value for name in PROPAGATED if (value := caused_by.headers.get(name)) is not None}
        return await self._client.get(path, headers={**headers, "host": f"{service}:{port}"})

    async def aclose(self) -> None:
        """Close the connections to the sidecar."""
        await self._client.aclose()
