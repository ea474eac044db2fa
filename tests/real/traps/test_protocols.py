"""HTTP/2, HTTP/3, TLS, and gRPC in each of its ways to succeed and fail."""

import grpc
import pytest

from tests.real.traps.clients import get
from tests.real.traps.test_answers import counted_once
from tests.real.traps.truth import agree
from tests.real.traps.world import Traps

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]


async def call(traps: Traps, path: str, listener: str = "h2") -> None:
    """A unary request for a stream of answers, whatever comes of it."""
    async with grpc.aio.insecure_channel(f"{traps.sites.envoy}:{traps.port(listener)}") as channel:
        try:
            async for _ in channel.unary_stream(f"/traps.v1.{path}")(b"hello"):
                pass
        except grpc.aio.AioRpcError:
            pass


@pytest.mark.parametrize(
    ("via", "version", "tls"), [("h2", "HTTP/2", None), ("h3", "HTTP/3", 4), ("tls", "HTTP/1.1", 3)]
)
async def test_a_request_is_of_its_protocol_and_counted_once(
    traps: Traps, via: str, version: str, tls: int | None
) -> None:
    """Envoy is the client, too: so HTTP/3 needs no other."""
    seen = await traps.after(get(traps.sites.envoy, traps.port("relay"), f"/{via}/answer"))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["request.protocol_version"], row["context.protocol"]) == (version, "http")
    assert row["request.protocol_version"] == seen.line["protocol"]
    assert row["connection.tls.version"] == tls
    assert row["connection.requested_server_name"] == (None if tls is None else "traps.example")
    assert counted_once(seen.counts)


@pytest.mark.parametrize("via", ["h2", "h3"])
async def test_failures_are_told_alike_over_every_version(traps: Traps, via: str) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("relay"), f"/{via}/refused"))
    agree(seen.rows, seen.lines)
    assert (seen.row["response.code"], seen.row["context.proxy_error_code"]) == (503, "UF")
    assert counted_once(seen.counts)


@pytest.mark.parametrize(
    ("path", "status", "flags", "attempts", "verdict"),
    [
        ("Trap/Succeed", 0, "-", 1, ("success", None)),
        ("Trap/FailAtOnce", 5, "-", 1, ("client_error", "client")),
        ("Trap/FailLate", 15, "-", 1, ("server_error", "application")),
        ("Trap/Unknown", 12, "-", 1, ("server_error", "application")),
        ("Refused/Call", 14, "UF", 1, ("server_error", "application")),
        ("Nobody/Call", 14, "UH", 1, ("server_error", "application")),
        ("Nowhere/Call", 12, "NR", 0, ("server_error", "client")),
    ],
    ids=["success", "trailers only", "trailers", "no such method", "refused", "no host", "no route"],
)
async def test_a_grpc_call_is_200_and_its_status_is_elsewhere(
    traps: Traps, path: str, status: int, flags: str, attempts: int, verdict: tuple[str, str | None]
) -> None:
    seen = await traps.after(call(traps, path))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["context.protocol"], row["response.code"]) == ("grpc", 200)
    assert row["response.grpc_status"] == seen.line["grpc_status"] == status
    assert (row["context.proxy_error_code"], row["request.attempts"]) == (flags, attempts)
    assert (row["response.outcome"], row["response.blame"]) == verdict
    assert counted_once(seen.counts)
    labels = seen.labels
    assert (labels["request_protocol"], labels["grpc_response_status"]) == ("grpc", str(status))
