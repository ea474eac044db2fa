"""What became of a request is told alike for HTTP, gRPC and TCP, once for each way to end."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.processors.blame import CAUSES, blame_of
from telemetry.processors.endings import Ending, Outcome
from telemetry.processors.flags import SHORT_NAMES
from telemetry.processors.outcome import ENDING_COLUMNS, Override, _remembered, outcome_of, verdicts
from tests.rows import logentries

SUCCESS, CLIENT, SERVER, NONE = Outcome


def flags(*names: str) -> int:
    return sum(1 << SHORT_NAMES.index(name) for name in names)


def judged(*endings: Ending, overrides: tuple[Override, ...] = ()) -> list[tuple[str, str | None]]:
    """What the columns say, by the road that entries take."""
    rows = [
        {
            **{column: getattr(ending, name) or None for name, column in ENDING_COLUMNS.items()},
            "response.flags": ending.flags,
            "response.grpc_status": ending.grpc_status,
            "response.code_details": ending.details or None if ending.protocol != "tcp" else None,
            "upstream.local.ip": "10.0.0.1" if ending.connected else None,
            "response.size": 0 if ending.told else None,
        }
        for ending in endings
    ]
    terminations = [ending.details or None if ending.protocol == "tcp" else None for ending in endings]
    column = pl.Series("connection.termination_details", terminations, dtype=pl.String)
    # The attribute may be in the vocabulary already, or not yet.
    frame = verdicts(logentries(*rows).rows.with_columns(column), overrides)
    assert frame.schema == {"response.outcome": pl.String, "response.blame": pl.String}
    return frame.rows()


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (Ending(code=200), SUCCESS),
        (Ending(code=304), SUCCESS),
        (Ending(code=404), CLIENT),
        (Ending(code=429, flags=flags("RL")), CLIENT),
        (Ending(code=503, flags=flags("UF", "URX")), SERVER),
        (Ending(code=599), SERVER),
        (Ending(), NONE),
        (Ending(flags=flags("DC")), NONE),
        (Ending(code=101, flags=flags("DC"), details="downstream_remote_disconnect"), SUCCESS),
        (Ending(code=200, flags=flags("DC"), details="downstream_remote_disconnect"), SUCCESS),
        (Ending(code=200, flags=flags("UPE"), details="upstream_reset_after_response_started{protocol_error}"), SERVER),
        (Ending(code=200, flags=flags("DI")), SUCCESS),
        (Ending(code=200, flags=flags("RFCF", "RLSE")), SUCCESS),
        (Ending("grpc", 200, 0), SUCCESS),
        (Ending("grpc", 200, 5), CLIENT),
        (Ending("grpc", 200, 14), SERVER),
        (Ending("grpc", 200, 99), SERVER),
        (Ending("grpc", 200), SUCCESS),
        (Ending("grpc", 200, flags=flags("UF")), SERVER),
        (Ending("grpc", 200, flags=flags("NR")), CLIENT),
        (Ending("grpc", 200, flags=flags("DC")), SUCCESS),
        (Ending("grpc", 503), SERVER),
        (Ending("grpc"), NONE),
        (Ending("tcp"), SUCCESS),
        (Ending("tcp", flags=flags("DC"), connected=True), SUCCESS),
        (Ending("tcp", flags=flags("UF", "URX")), SERVER),
        (Ending("tcp", flags=flags("UF"), connected=True), SUCCESS),
        (Ending("tcp", flags=flags("UO")), SERVER),
        (Ending("tcp", flags=flags("NR")), SERVER),
        (Ending("tcp", details="rbac_access_denied_matched_policy[none]"), CLIENT),
        (Ending("tcp", details="filter_chain_not_found"), SERVER),
        (Ending("tcp", details="tcp_session_idle_timeout"), SUCCESS),
    ],
)
def test_each_ending_has_its_outcome(ending, outcome):
    assert outcome_of(ending) is outcome
    assert judged(ending)[0][0] == outcome


@pytest.mark.parametrize("status", range(1, 17))
def test_each_grpc_status_but_ok_is_an_error_as_kiali_has_it(status):
    assert outcome_of(Ending("grpc", 200, status)) in (CLIENT, SERVER)


DETAILS = [prefix for cause in CAUSES for prefix in cause.details]
ENDINGS = st.builds(
    Ending,
    st.sampled_from(["http", "grpc", "tcp"]),
    st.one_of(st.none(), st.integers(100, 599), st.just(200)),
    st.one_of(st.none(), st.integers(0, 20)),
    st.one_of(st.just(0), st.integers(0, 2**64 - 1), st.sampled_from(SHORT_NAMES).map(flags)),
    st.one_of(st.sampled_from(["", "via_upstream", *DETAILS]), st.text(max_size=8)),
    st.sampled_from(["", "delayed connect error: Connection refused", "TLS_error:|268435581"]),
    st.sampled_from(["", "inbound", "outbound", "waypoint", "gateway"]),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(ENDINGS, min_size=1, max_size=30))
def test_columns_say_what_the_judge_says_whatever_the_ending(endings):
    outcomes = [outcome_of(ending) for ending in endings]
    assert judged(*endings) == [
        (outcome, blame_of(ending, outcome)) for ending, outcome in zip(endings, outcomes, strict=True)
    ]


@settings(deadline=None)
@given(ENDINGS)
def test_there_is_blame_exactly_where_there_is_no_success(ending):
    outcome = outcome_of(ending)
    assert (blame_of(ending, outcome) is None) is (outcome is SUCCESS)


def test_details_of_any_length_are_judged_and_long_ones_are_not_kept():
    before = _remembered.cache_info().currsize
    long = [Ending("http", 200, details=f"{number}" + "x" * 10_000) for number in range(20)]
    assert judged(*long) == [(SUCCESS, None)] * 20
    assert _remembered.cache_info().currsize == before


def test_no_rows_have_no_verdicts():
    rows = logentries().rows.with_columns(pl.lit(None, pl.String).alias("connection.termination_details"))
    assert verdicts(rows).is_empty()


def test_an_operator_may_decide_what_is_an_error():
    code, side = pl.col("response.code"), pl.col("context.reporter.kind")
    overrides = (((code == 404) & (side == "inbound"), SUCCESS), (code == 404, SERVER), (code == 200, SERVER))
    found = judged(
        Ending(code=404, side="inbound"), Ending(code=404, side="outbound"), Ending(code=403), Ending(code=200),
        overrides=overrides,
    )  # fmt: skip
    assert found == [
        ("success", None), ("server_error", "application"), ("client_error", "client"), ("server_error", "application"),
    ]  # fmt: skip


def test_a_request_that_could_not_tell_its_answer_is_judged_by_its_flags_alone():
    found = judged(Ending(told=False), Ending(told=False, flags=flags("UH"), side="outbound"))
    assert found == [(SUCCESS, None), (SERVER, "application")]


def test_what_has_not_ended_has_no_outcome():
    begun = {"request.counts": False, "envoy.access_log_type": 4}
    attempt = {"request.counts": False, "envoy.access_log_type": 9, "response.code": 503, "response.size": 0}
    column = pl.lit(None, pl.String).alias("connection.termination_details")
    rows = verdicts(logentries(begun, attempt).rows.with_columns(column)).rows()
    assert rows == [(None, None), (SERVER, "application")]
