"""Let an Envoy finish what it has begun, so that its end loses no access log entry."""

import asyncio

import httpx

from telemetry.demo.waiting import until

__all__ = ["DRAIN_TIME_S", "drain"]

# Envoy's --drain-time-s; within it connections are told to close, after it none is accepted.
DRAIN_TIME_S = 1
_DEADLINE_S = 15.0
_ACTIVE = r"^http\.(in|out)bound.*downstream_rq_active$"


async def drain(client: httpx.AsyncClient, admin_url: str, buffer_flush_interval_s: float) -> None:
    """Return when no HTTP request is under way and every entry has left for the service.

    Envoy doesn't send at its end what it still buffers. TCP connections go on, until their clients close them.
    Raises StartError when requests don't end in time.
    """
    (await client.post(f"{admin_url}/drain_listeners?graceful")).raise_for_status()
    await asyncio.sleep(DRAIN_TIME_S)
    await until(lambda: _at_rest(client, admin_url), _DEADLINE_S, f"demo: requests go on at {admin_url}")
    # Envoy's timer may have just fired before the last entry came.
    await asyncio.sleep(2 * buffer_flush_interval_s)


async def _at_rest(client: httpx.AsyncClient, admin_url: str) -> bool:
    response = await client.get(f"{admin_url}/stats", params={"filter": _ACTIVE})
    response.raise_for_status()
    return all(line.endswith(": 0") for line in response.text.splitlines())
