"""Whose fault it was follows from flags, details, codes and side, and the page says how."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.processors.blame import CAUSES, INFORMATIONAL, Blame, blame_of, cause_of
from telemetry.processors.endings import Ending
from telemetry.processors.flags import SHORT_NAMES
from telemetry.processors.outcome import outcome_of

PAGE = Path(__file__).parents[2] / "docs" / "blame.md"


def flags(*names: str) -> int:
    return sum(1 << SHORT_NAMES.index(name) for name in names)


def reset(reason: str) -> str:
    return f"upstream_reset_before_response_started{{{reason}}}"


def http(code: int | None, details: str = "", *names: str, side: str = "outbound") -> Ending:
    return Ending(code=code, details=details, flags=flags(*names), side=side)


REFUSED = reset("remote_connection_failure|delayed_connect_error:_Connection_refused")
CERTIFICATE = reset("remote_connection_failure|TLS_error:|268435581:SSL_routines:CERTIFICATE_VERIFY_FAILED")
TIMED_OUT = reset("connection_timeout")


@pytest.mark.parametrize(
    ("ending", "blame"),
    [
        (http(200), None),
        (http(404, "via_upstream"), "client"),
        (http(500, "via_upstream"), "application"),
        (http(503, "via_upstream", "URX"), "application"),
        (http(503, "via_upstream", "DI"), "application"),
        (http(502, "direct_response"), "configuration"),
        (http(418, "direct_response"), "client"),
        (http(404, "route_not_found", "NR"), "client"),
        (http(503, "cluster_not_found", "NC"), "configuration"),
        (http(503, "no_healthy_upstream", "UH"), "application"),
        (http(503, REFUSED, "UF"), "application"),
        (http(503, REFUSED, "UF", "URX"), "application"),
        (http(503, TIMED_OUT, "UF", "URX"), "network"),
        (http(503, TIMED_OUT, "UF", side="inbound"), "application"),
        (http(503, CERTIFICATE, "UF"), "configuration"),
        (http(504, "response_timeout", "UT"), "application"),
        (http(503, reset("connection_termination"), "UC"), "network"),
        (http(503, reset("connection_termination"), "UC", side="inbound"), "application"),
        (http(503, reset("local_reset"), "LR"), "proxy"),
        (http(503, reset("remote_reset"), "UR"), "application"),
        (http(503, reset("overflow"), "UO"), "policy"),
        (http(200, "upstream_reset_after_response_started{protocol_error}", "UPE"), "application"),
        (http(502, reset("protocol_error"), "UPE"), "application"),
        (http(None, "downstream_remote_disconnect", "DC"), "client"),
        (http(None), "client"),
        (http(503, "fault_filter_abort", "FI"), "test"),
        (http(None, "downstream_remote_disconnect", "DC", "DI"), "test"),
        (http(400, "http1.codec_error", "DPE"), "client"),
        (http(400, "missing_host_header"), "client"),
        (http(403, "rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]"), "policy"),
        (http(403, "ext_authz_denied", "UAEX"), "client"),
        (http(403, "ext_authz_error", "UAEX"), "proxy"),
        (http(401, "jwt_authn_access_denied{Jwt_is_missing}"), "client"),
        (http(429, "local_rate_limited", "RL"), "policy"),
        (http(429, "request_rate_limited", "RL"), "policy"),
        (http(500, "rate_limiter_error", "RLSE"), "proxy"),
        (http(503, "drop_overload"), "policy"),
        (http(503, "unconditional_drop_overload"), "policy"),
        (http(503, "maintenance_mode", "UO"), "policy"),
        (http(503, "overload", "OM"), "proxy"),
        (http(408, "stream_idle_timeout", "SI"), "client"),
        (http(504, "stream_idle_timeout", "SI"), "application"),
        (http(503, "", "DF"), "network"),
        (http(500, "", "NFCF"), "configuration"),
        (Ending("grpc", 200, 14, flags("UF"), side="outbound"), "network"),
        (Ending("grpc", 200, 12, flags("NR")), "client"),
        (Ending("grpc", 200, 14, details="via_upstream"), "application"),
        (Ending("grpc", 200, 16, details="via_upstream"), "client"),
        (Ending("tcp"), None),
        (Ending("tcp", flags=flags("UF", "URX"), failure="delayed connect error: Connection refused"), "application"),
        (Ending("tcp", flags=flags("UF", "URX"), failure="TLS_error:|WRONG_VERSION_NUMBER"), "configuration"),
        (Ending("tcp", flags=flags("NR"), details="filter_chain_not_found"), "configuration"),
        (Ending("tcp", details="rbac_access_denied_matched_policy[none]"), "policy"),
    ],
)
def test_each_ending_has_its_blame(ending, blame):
    assert blame_of(ending, outcome_of(ending)) == blame


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_each_flag_is_a_cause_or_known_to_be_none(name):
    assert (cause_of(Ending(code=503, flags=flags(name))) is None) is (name in INFORMATIONAL)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.text())
def test_flags_and_details_that_nobody_knows_never_raise(bits, details):
    ending = Ending(code=503, flags=bits, details=details)
    assert blame_of(ending, outcome_of(ending)) in set(Blame)


@pytest.mark.parametrize(
    ("first", "second"),
    [("FI", "UT"), ("OM", "UO"), ("UAEX", "NR"), ("UH", "URX"), ("UF", "URX"), ("UT", "DC"), ("DI", "DC")],
)
def test_of_several_flags_the_earlier_cause_decides(first, second):
    both = cause_of(Ending(flags=flags(first, second)))
    assert both is not None
    assert first in both.flags


def test_the_page_lists_every_cause_in_its_order():
    rows = re.findall(r"^\| \d+ \| ([^|]+) \| ([^|]*) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    listed = [(name.strip(), *(tuple(re.findall("`([^`]+)`", cell)) for cell in cells)) for name, *cells in rows]
    assert listed == [(cause.name, cause.flags, cause.details) for cause in CAUSES]
