"""Requests that end in each of Envoy's ways: as its own log file tells them, and each counted once."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import pytest

from tests.real.traps.clients import get
from tests.real.traps.truth import agree, times_known
from tests.real.traps.world import Traps

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

ALL = frozenset({6, 7, 8, 9, 10, 11, 12})
OWN = frozenset({6, 11, 12})
"""Envoy answered by itself and had nobody to ask."""
UNANSWERED = frozenset({6, 7, 8, 11, 12})
"""Envoy asked, got no answer, and made its own."""
BEFORE_RESPONSE = r"upstream_reset_before_response_started\{%s\}"


@dataclass(frozen=True, slots=True)
class Trap:
    """A path and what must be known of its request. `local`: whether our end of the upstream connection is.

    `verdict`: outcome and blame (docs/blame.md).
    """

    path: str
    code: int
    details: str
    flags: str = "-"
    attempts: int = 1
    times: Set[int] = ALL
    cluster: str | None = "app"
    local: bool = True
    route: bool = True
    verdict: tuple[str, str | None] = ("success", None)


UNREACHED: dict[str, Any] = {"attempts": 0, "times": OWN, "cluster": None, "local": False}
LOST = BEFORE_RESPONSE % "connection_termination"
CUT = r"upstream_reset_after_response_started\{protocol_error\}"
DENIED = r"rbac_access_denied_matched_policy\[ns\[shop\]-policy\[closed\]-rule\[0\]\]"
REFUSED = BEFORE_RESPONSE % r"remote_connection_failure\|delayed_connect_error:_Connection_refused"

CLIENT = ("client_error", "client")
APPLICATION = ("server_error", "application")
NETWORK = ("server_error", "network")
LIMIT = ("server_error", "policy")
REFUSAL = ("client_error", "policy")

TRAPS = (
    Trap("answer", 200, "via_upstream"),
    Trap("large", 200, "via_upstream"),
    Trap("rewritten", 200, "via_upstream"),
    Trap("direct", 418, "direct_response", **UNREACHED, verdict=CLIENT),
    Trap("redirect", 301, "direct_response", **UNREACHED),
    Trap("nowhere", 404, "route_not_found", "NR", **UNREACHED, route=False, verdict=CLIENT),
    Trap("no_cluster", 503, "cluster_not_found", "NC", **UNREACHED, verdict=("server_error", "configuration")),
    # A host was looked for, so it is an attempt; its cluster is not told.
    Trap("no_host", 503, "no_healthy_upstream", "UH", **(UNREACHED | {"attempts": 1}), verdict=APPLICATION),
    Trap("refused", 503, REFUSED, "UF", 1, OWN, "refused", local=False, verdict=APPLICATION),
    Trap("refused_again", 503, REFUSED, "UF,URX", 3, OWN, "refused", local=False, verdict=APPLICATION),
    Trap("flaky", 200, "via_upstream", attempts=2),
    Trap("failing", 503, "via_upstream", "URX", attempts=2, verdict=APPLICATION),
    Trap("timeout", 504, "response_timeout", "UT", times=UNANSWERED, verdict=APPLICATION),
    Trap("idle", 504, "stream_idle_timeout", "SI", times=UNANSWERED, verdict=APPLICATION),
    # The connection manager's limit sets no flag, the cluster's does.
    Trap("too_long", 504, "max_duration_timeout", times=UNANSWERED, verdict=LIMIT),
    Trap(
        "upstream_too_long", 504, "upstream_max_stream_duration_reached", "UMSDR", 1, UNANSWERED, "short", verdict=LIMIT
    ),
    Trap("close", 503, LOST, "UC", times=UNANSWERED, verdict=NETWORK),
    Trap("cut", 200, CUT, "UPE", times={6, 7, 8, 9, 11}, verdict=APPLICATION),
    Trap("garbage", 502, BEFORE_RESPONSE % "protocol_error", "UPE", times=UNANSWERED, verdict=APPLICATION),
    Trap("overflow", 503, BEFORE_RESPONSE % "overflow", "UO", 1, OWN, "narrow", local=False, verdict=LIMIT),
    Trap("fault_abort", 503, "fault_filter_abort", "FI", **UNREACHED, verdict=("server_error", "test")),
    Trap("fault_delay", 200, "via_upstream", "DI"),
    Trap("denied", 403, DENIED, **UNREACHED, verdict=REFUSAL),
)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.path)
async def test_a_request_is_told_as_envoys_file_tells_it_and_counted_once(traps: Traps, trap: Trap) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("http"), f"/{trap.path}"))
    agree(seen.rows, seen.lines)
    row = seen.row
    assert (row["request.counts"], row["context.protocol"], row["request.method"]) == (True, "http", "GET")
    assert (row["response.code"], row["context.proxy_error_code"]) == (trap.code, trap.flags)
    assert re.fullmatch(trap.details, row["response.code_details"])
    assert row["request.attempts"] == trap.attempts
    assert times_known(row) == trap.times
    assert row["request.url_path"] == f"/{trap.path}"
    assert row["request.id"] == row["connection.id"] is not None
    assert (row["response.outcome"], row["response.blame"]) == trap.verdict
    assert_upstream(row, trap)
    assert counted_once(seen.counts)
    labels = seen.labels
    assert (labels["response_code"], labels["response_flags"]) == (str(trap.code), trap.flags)
    assert (labels["request_protocol"], labels["grpc_response_status"]) == ("http", "")


def assert_upstream(row: Mapping[str, Any], trap: Trap) -> None:
    assert row["upstream.cluster"] == trap.cluster
    assert (row["upstream.ip"] is None) == (trap.cluster is None)
    assert (row["upstream.local.ip"] is not None) == trap.local
    assert row["route.name"] == (trap.path if trap.route else None)


def counted_once(counts: Mapping[str, float], *, durations: int = 1) -> bool:
    """Whether these are one finished request's, with both sizes and so many durations, and nothing else's."""
    return counts == {
        "istio_requests_total": 1,
        "istio_request_duration_milliseconds": durations,
        "istio_request_bytes": 1,
        "istio_response_bytes": 1,
    }


async def test_the_request_over_the_limit_is_limited(traps: Traps) -> None:
    """One token in an hour: the first request takes it."""
    first, second = [
        await traps.after(get(traps.sites.envoy, traps.port("http"), "/limited")) for _ in ("taken", "refused")
    ]
    assert (first.row["response.code"], first.row["context.proxy_error_code"]) == (200, "-")
    assert (second.row["response.code"], second.row["context.proxy_error_code"]) == (429, "RL")
    assert second.row["response.code_details"] == "local_rate_limited"
    # The file knows the cluster that was meant, the stream does not.
    assert (second.line["cluster"], second.row["upstream.cluster"], second.row["request.attempts"]) == ("app", None, 0)
    assert counted_once(second.counts)


async def test_times_of_a_retried_request_are_the_last_attempts(traps: Traps) -> None:
    seen = [await traps.after(get(traps.sites.envoy, traps.port("http"), "/flaky")) for _ in ("this", "that")]
    # The upstream fails every second time it is asked.
    assert [one.row["request.attempts"] for one in seen] == [2, 2]
    for row in (one.row for one in seen):
        assert row["envoy.time_to_first_upstream_tx_byte"] > row["envoy.time_to_last_rx_byte"]
        assert row["envoy.time_to_first_upstream_rx_byte"] > row["envoy.time_to_first_upstream_tx_byte"]


async def test_a_rewritten_request_keeps_the_path_that_its_client_asked_for(traps: Traps) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("http"), "/rewritten"))
    assert seen.row["request.path"] == seen.line["path"] == "/rewritten"


async def test_a_listener_that_is_impatient_ends_silence_with_504(traps: Traps) -> None:
    seen = await traps.after(get(traps.sites.envoy, traps.port("impatient"), "/silence"))
    assert (seen.row["response.code"], seen.row["context.proxy_error_code"]) == (504, "SI")
    assert counted_once(seen.counts)
