"""Exchanges that are no plain request: broken ones, abandoned ones, upgraded ones, tunnels."""

import pytest

from tests.real.traps.clients import connected, head
from tests.real.traps.seen import Seen
from tests.real.traps.test_answers import counted_once
from tests.real.traps.truth import agree, times_known
from tests.real.traps.world import Traps

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

CONNECT = "CONNECT far.example:443 HTTP/1.1\r\nhost: far.example:443\r\n\r\n"
UPGRADE = head("/upgrade", "GET", "connection: upgrade", "upgrade: websocket")


async def say(traps: Traps, text: str) -> None:
    async with connected(traps.sites.envoy, traps.port("http")) as connection:
        await connection.say(text)
        await connection.hear_head()


async def converse(traps: Traps, opening: str, listener: str = "http") -> None:
    """Open, send five bytes and get them back, twice, then leave."""
    async with connected(traps.sites.envoy, traps.port(listener)) as connection:
        await connection.say(opening)
        await connection.hear_head()
        for word in (b"hello", b"again"):
            await connection.say(word)
            assert await connection.hear(5) == word


@pytest.mark.parametrize(
    ("text", "code", "details", "flags", "method"),
    [
        ("GARBAGE\r\n\r\n", 400, "http1.codec_error", "DPE", None),
        ("get /answer HTTP/1.1\r\nhost: a\r\n\r\n", 400, "http1.codec_error", "DPE", None),
        ("GET /answer HTTP/1.0\r\nhost: a\r\n\r\n", 426, "low_version", "DPE", None),
        ("GET /answer HTTP/1.1\r\n\r\n", 400, "missing_host_header", "-", "GET"),
    ],
    ids=["a line that is no request", "a method in small letters", "an old version", "no host"],
)
async def test_what_is_no_request_is_counted_once_all_the_same(
    traps: Traps, text: str, code: int, details: str, flags: str, method: str | None
) -> None:
    seen = await traps.after(say(traps, text))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["response.code"], row["response.code_details"]) == (code, details)
    assert (row["context.proxy_error_code"], row["request.method"]) == (flags, method)
    assert row["connection.id"] is row["route.name"] is row["upstream.cluster"] is None
    assert (row["context.protocol"], row["request.counts"]) == ("http", True)
    assert (row["response.outcome"], row["response.blame"]) == ("client_error", "client")
    assert counted_once(seen.counts)


async def test_a_method_that_envoys_enum_lacks_is_known_by_its_header(traps: Traps) -> None:
    seen = await traps.after(say(traps, head("/answer", "PURGE")))
    assert seen.row["request.method"] == seen.line["method"] == "PURGE"


async def test_a_client_that_left_got_no_code(traps: Traps) -> None:
    async def leave() -> None:
        async with connected(traps.sites.envoy, traps.port("http")) as connection:
            await connection.say(head("/silence"))

    seen = await traps.after(leave())
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["response.code"], row["context.proxy_error_code"]) == (None, "DC")
    assert row["response.code_details"] == "downstream_remote_disconnect"
    assert (row["response.outcome"], row["response.blame"]) == ("none", "client")
    assert not times_known(row) & {9, 10, 11, 12}
    assert counted_once(seen.counts)
    # Istio's word for none.
    assert seen.labels["response_code"] == "0"


async def test_a_websocket_is_one_request_of_101_that_lasts_as_long_as_the_session(traps: Traps) -> None:
    seen = await traps.after(converse(traps, UPGRADE))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["response.code"], row["request.method"], row["context.protocol"]) == (101, "GET", "http")
    # How sessions end, not an error.
    assert (row["context.proxy_error_code"], row["response.code_details"]) == ("DC", "downstream_remote_disconnect")
    assert times_known(row) == {7, 9, 11}
    assert (row["request.size"], row["response.size"]) == (10, 10)
    assert_session(seen)


async def test_a_tunnel_is_one_connect_that_lasts_as_long_as_the_session(traps: Traps) -> None:
    seen = await traps.after(converse(traps, CONNECT))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["response.code"], row["request.method"], row["context.protocol"]) == (200, "CONNECT", "http")
    assert (row["request.path"], row["request.host"]) == (None, "far.example:443")
    assert (row["request.size"], row["response.size"]) == (10, 10)
    assert_session(seen)


def assert_session(seen: Seen) -> None:
    """Counted once, and what it took is no latency."""
    assert counted_once(seen.counts, durations=0)
    row = seen.row
    assert row["response.duration"] is not None
    assert (row["latency.excluded"], row["response.outcome"], row["response.blame"]) == (True, "success", None)


async def test_a_tunnel_reported_from_its_start_counts_at_its_end(traps: Traps) -> None:
    seen = await traps.until_types(converse(traps, CONNECT, "early"), {"DownstreamEnd"})
    agree(seen.rows, seen.lines)
    kinds = [row["envoy.access_log_type"] for row in seen.rows]
    assert (kinds[:2], kinds[-1], set(kinds[2:-1]) <= {5}) == ([4, 10], 6, True)
    assert [row["request.counts"] for row in seen.rows] == [False] * (len(kinds) - 1) + [True]
    assert len({row["connection.id"] for row in seen.rows}) == 1
    assert counted_once(seen.counts, durations=0)
