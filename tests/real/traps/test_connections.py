"""TCP and UDP: totals become increases, and a connection opens and closes once."""

import asyncio

import pytest

from tests.real.traps.clients import connected
from tests.real.traps.seen import Counts
from tests.real.traps.truth import agree
from tests.real.traps.world import Traps

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

WORDS = 3


def one_connection(received: int, sent: int) -> Counts:
    return {
        "istio_tcp_connections_opened_total": 1,
        "istio_tcp_connections_closed_total": 1,
        "istio_tcp_received_bytes_total": received,
        "istio_tcp_sent_bytes_total": sent,
    }


async def converse(traps: Traps, listener: str) -> None:
    """A word, its echo, and a periodic report, three times."""
    async with connected(traps.sites.envoy, traps.port(listener)) as connection:
        for number in range(1, WORDS + 1):
            await connection.say(b"hello")
            await connection.hear(5)
            await traps.written("TcpPeriodic", number)


@pytest.mark.parametrize("listener", ["tcp", "tcp_as_http"])
async def test_running_totals_become_increases_that_add_up(traps: Traps, listener: str) -> None:
    """Of either kind of entry: Istio's envoyHttpAls delivers connections as HTTP entries with an empty request."""
    seen = await traps.until_types(converse(traps, listener), {"TcpConnectionEnd"})
    agree(seen.rows, seen.lines)
    kinds = [row["envoy.access_log_type"] for row in seen.rows]
    assert (kinds[0], set(kinds[1:-1]), kinds[-1]) == (1, {2}, 3)
    assert {row["context.protocol"] for row in seen.rows} == {"tcp"}
    assert [row["connection.opened"] for row in seen.rows] == [True] + [False] * (len(kinds) - 1)
    assert [row["request.counts"] for row in seen.rows] == [False] * (len(kinds) - 1) + [True]
    totals = [row["connection.received.bytes_total"] for row in seen.rows]
    increases = [row["connection.received.bytes"] for row in seen.rows]
    assert totals == sorted(totals)
    assert (totals[-1], sum(increases)) == (15, 15)
    assert seen.counts == one_connection(15, 15)


@pytest.mark.parametrize("listener", ["tcp", "tcp_as_http"])
async def test_a_connection_has_nothing_of_a_request(traps: Traps, listener: str) -> None:
    seen = await traps.until_types(converse(traps, listener), {"TcpConnectionEnd"})
    end = seen.counting
    empty = ("request.method", "request.path", "request.host", "request.id", "response.code", "response.code_details")
    assert {name: end[name] for name in empty} == dict.fromkeys(empty)
    assert end["connection.duration"] is not None
    assert (end["response.outcome"], end["response.blame"]) == ("success", None)
    assert not {"istio_requests_total", "istio_request_duration_milliseconds"} & seen.counts.keys()


async def test_a_connection_that_reached_nobody_opens_and_closes_once(traps: Traps) -> None:
    async def call() -> None:
        async with connected(traps.sites.envoy, traps.port("tcp_refused")) as connection:
            assert await connection.hear_all() == b""

    seen = await traps.after(call())
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["context.proxy_error_code"], row["connection.event"]) == ("UF,URX", "close")
    assert row["upstream.failure_reason"] == "delayed connect error: Connection refused"
    assert (row["upstream.cluster"], row["upstream.local.ip"]) == ("refused", None)
    assert (row["response.outcome"], row["response.blame"]) == ("server_error", "application")
    assert seen.counts == one_connection(0, 0)


async def test_a_connection_cut_for_its_age_says_so(traps: Traps) -> None:
    async def linger() -> None:
        async with connected(traps.sites.envoy, traps.port("tcp_cut")) as connection:
            await connection.say(b"hello")
            await connection.hear_all()

    seen = await traps.until_types(linger(), {"TcpConnectionEnd"})
    agree(seen.rows, seen.lines)
    assert seen.counting["context.proxy_error_code"] == "DT"
    assert seen.counts == one_connection(5, 5)


async def test_a_udp_session_is_a_connection(traps: Traps) -> None:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        class Asker(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                answered.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Asker, remote_addr=(traps.sites.envoy, traps.port("udp")))
        transport.sendto(b"hello")
        assert await asyncio.wait_for(answered, 5) == b"hello"
        transport.close()

    seen = await traps.until_types(ask(), {"UdpSessionEnd"})
    row = seen.counting
    assert (row["context.protocol"], row["connection.event"]) == ("tcp", "close")
    assert seen.counts["istio_tcp_connections_closed_total"] == 1
