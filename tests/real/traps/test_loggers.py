"""One request told many times, by loggers in each place where Envoy allows them: it is counted once."""

import pytest

from tests.real.traps.clients import connected, get, head
from tests.real.traps.test_answers import counted_once
from tests.real.traps.truth import agree
from tests.real.traps.world import Traps

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

END, LISTENER, ATTEMPT = 6, 0, 9


async def test_a_listeners_logs_of_http_connections_count_nothing(traps: Traps) -> None:
    """Two loggers at the listener, of either kind of entry: Istio's providers are attached there as well."""
    seen = await traps.after(get(traps.sites.envoy, traps.port("told_twice"), "/answer"), entries=3)
    agree(seen.rows, seen.lines)
    assert len(seen.of_type(END)) == 1
    assert [(row["request.counts"], row["connection.event"]) for row in seen.of_type(LISTENER)] == [(False, None)] * 2
    assert counted_once(seen.counts)


async def test_attempts_told_by_the_router_count_nothing(traps: Traps) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("attempts"), "/flaky"), entries=3)
    agree(seen.rows, seen.lines)
    attempts = seen.of_type(ATTEMPT)
    assert [row["response.code"] for row in attempts] == [503, 200]
    assert [row["request.counts"] for row in attempts] == [False, False]
    # The router's end of the stream hears from the upstream what the listener's says to the client.
    assert [(row["request.size"], row["response.size"]) for row in attempts] == [(0, 0), (0, 5)]
    assert [row["request.attempts"] for row in attempts] == [None, None]
    assert (seen.counting["response.code"], seen.counting["request.attempts"]) == (200, 2)
    assert counted_once(seen.counts)


async def test_attempts_that_reached_nobody_count_nothing_either(traps: Traps) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("attempts"), "/refused_again"), entries=4)
    agree(seen.rows, seen.lines)
    attempts = seen.of_type(ATTEMPT)
    assert [(row["response.code"], row["context.proxy_error_code"]) for row in attempts] == [(None, "UF")] * 3
    assert seen.counting["request.attempts"] == 3
    assert counted_once(seen.counts)


async def test_attempts_told_from_their_start_count_nothing_either(traps: Traps) -> None:
    async def hold() -> None:
        async with connected(traps.sites.envoy, traps.port("attempts_early")) as connection:
            await connection.say(head("/hold"))
            await connection.hear_head()
            await traps.written("UpstreamPeriodic", 1)

    seen = await traps.until_types(hold(), {"UpstreamEnd", "DownstreamEnd"})
    agree(seen.rows, seen.lines)
    assert {row["envoy.access_log_type"] for row in seen.rows} == {6, 7, 8, 9}
    assert seen.counting["envoy.access_log_type"] == END
    assert counted_once(seen.counts)


async def test_a_request_told_at_its_start_counts_at_its_end(traps: Traps) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("early"), "/answer"), entries=2)
    agree(seen.rows, seen.lines)
    start, end = seen.rows
    assert (start["envoy.access_log_type"], end["envoy.access_log_type"]) == (4, 6)
    assert (start["response.code"], start["response.duration"]) == (None, None)
    assert (start["request.counts"], end["request.counts"]) == (False, True)
    assert counted_once(seen.counts)


async def test_a_request_told_again_and_again_while_it_lasts_counts_at_its_end(traps: Traps) -> None:
    async def hold() -> None:
        async with connected(traps.sites.envoy, traps.port("early")) as connection:
            await connection.say(head("/hold"))
            await connection.hear_head()
            await traps.written("DownstreamPeriodic", 2)

    seen = await traps.until_types(hold(), {"DownstreamEnd"})
    agree(seen.rows, seen.lines)
    kinds = [row["envoy.access_log_type"] for row in seen.rows]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == (4, 6, {5})
    assert all(row["response.duration"] is None for row in seen.rows[:-1])
    assert counted_once(seen.counts)


async def test_a_request_delivered_as_a_tcp_entry_is_a_request(traps: Traps) -> None:
    """What Istio's envoyTcpAls does: method, path and code stay behind."""
    seen = await traps.after(get(traps.sites.envoy, traps.port("http_as_tcp"), "/answer"))
    row = seen.row
    assert (row["context.protocol"], row["request.counts"], row["connection.event"]) == ("http", True, None)
    assert row["request.method"] is row["request.path"] is row["response.code"] is None
    # Its code was not told, which is not the same as none: nothing shows a failure.
    assert (row["response.outcome"], row["response.blame"]) == ("success", None)
    assert counted_once(seen.counts)
