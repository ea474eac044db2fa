"""What became of each request, and whose fault: response.outcome and response.blame (docs/blame.md)."""

from collections.abc import Sequence
from functools import lru_cache

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.blame import Blame, blame_of, cause_of
from telemetry.processors.endings import Ending, Outcome

__all__ = ["ENDING_COLUMNS", "KNOWN", "Override", "outcome_of", "reads", "verdicts"]

# OpenTelemetry's semantic conventions for gRPC: these statuses are errors of the server; the other errors the client's.
_GRPC_SERVER_ERRORS = frozenset({2, 4, 12, 13, 14, 15})
# What cuts a response short after its headers promised success.
_CUT_SHORT = ("UC", "UR", "UPE", "LR", "UT", "OM", "UMSDR", "DT", "SI")
# Connections end by being closed: these flags alone don't make a failure of one.
_ORDINARY_ENDS = ("DC", "DR", "DT", "UMSDR", "SI", "DI", "UC", "UR", "LR")
# Causes that over HTTP are 403 and 429.
_REFUSED = ("not authorized", "rate limited")

ENDING_COLUMNS = {
    "protocol": "context.protocol",
    "code": "response.code",
    "grpc_status": "response.grpc_status",
    "flags": "response.flags",
    "details": "response.code_details",
    "failure": "upstream.failure_reason",
    "side": "context.reporter.kind",
}
_TERMINATION = "connection.termination_details"

# What is made only after the verdict, or by it, can't be asked in an override.
_LATER = ("response.outcome", "response.blame", "request.operation", "connection.opened", "connection.received.bytes",
          "connection.sent.bytes")  # fmt: skip
KNOWN = {name: dtype for name, dtype in SCHEMAS[Template.LOGENTRY].items() if name not in _LATER}
"""The attributes, with their types, that an override may look at."""

Override = tuple[pl.Expr, Outcome]
"""Rows (a Boolean expression over LOGENTRY columns) whose outcome the operator decides."""


def outcome_of(ending: Ending) -> Outcome:
    """Say what became of a request: an error is what Kiali's health takes for one by default.

    That is 4xx, 5xx, gRPC statuses 1 to 16, and no response; besides, a response that was cut short, and a connection
    that failed.
    """
    if ending.protocol == "tcp":
        return _of_connection(ending)
    if ending.code is None and ending.grpc_status is None:
        return Outcome.NONE if ending.told else _of_cause(ending)
    if ending.protocol == "grpc" and ending.grpc_status is not None:
        return _of_grpc_status(ending.grpc_status)
    return _of_code(ending, ending.code or 0)


def _of_code(ending: Ending, code: int) -> Outcome:
    if code >= 400:
        return Outcome.SERVER_ERROR if code >= 500 else Outcome.CLIENT_ERROR
    if code == 101:
        return Outcome.SUCCESS
    if ending.protocol == "grpc":
        # Envoy answers gRPC with 200 whatever happened, and the status was not logged.
        return _of_cause(ending)
    cut_short = ending.has_any(_CUT_SHORT) or ending.details.startswith("upstream_reset_after_response_started")
    return Outcome.SERVER_ERROR if cut_short else Outcome.SUCCESS


def _of_grpc_status(status: int) -> Outcome:
    if status == 0:
        return Outcome.SUCCESS
    return Outcome.SERVER_ERROR if status in _GRPC_SERVER_ERRORS or status > 16 else Outcome.CLIENT_ERROR


def _of_connection(ending: Ending) -> Outcome:
    # Envoy flags each attempt to connect that failed; with a connection in the end, a later one succeeded.
    forgiven = ("UF", *_ORDINARY_ENDS) if ending.connected else _ORDINARY_ENDS
    cause = cause_of(ending)
    if cause is None or (cause.flags and set(cause.flags) <= set(forgiven)):
        return Outcome.SUCCESS
    return _of_cause(ending)


def _of_cause(ending: Ending) -> Outcome:
    cause = cause_of(ending)
    if cause is None or cause.name in ("client left", "delay injected"):
        return Outcome.SUCCESS
    refused = cause.blamed(ending) is Blame.CLIENT or cause.name in _REFUSED
    return Outcome.CLIENT_ERROR if refused else Outcome.SERVER_ERROR


def verdicts(rows: pl.DataFrame, overrides: Sequence[Override] = ()) -> pl.DataFrame:
    """Judge each way to end once. Columns: response.outcome, response.blame (String), a row for each of `rows`.

    Both are null where nothing has ended yet: begun, periodic, or a listener's. Needs the columns that `reads` gives.
    The first override that holds decides the outcome, and thereby whether there is any blame.
    """
    keys = rows.select(*_KEY, _ENDED, overridden=_overridden(overrides)).with_columns(_PLAIN).with_row_index("at")
    ways = keys.filter(pl.col("ended") & ~pl.col("plain")).drop("plain", "ended").group_by(pl.exclude("at")).agg("at")
    # Row 0 of the table is for what has not ended, row 1 for the plain successes, the others each for a way to end.
    place = keys["ended"].cast(pl.Int64).to_numpy(writable=True)
    for number, at in enumerate(ways["at"], start=2):
        place[at.to_numpy()] = number
    found = [(None, None), _PLAIN_SUCCESS, *(_judged(way) for way in ways.select(_WAY).iter_rows())]
    return pl.DataFrame(found, schema=_VERDICT, orient="row")[place]


def reads(overrides: Sequence[Override] = ()) -> frozenset[str]:
    """Give the attributes that verdicts are made of."""
    made = (*_KEY, _ENDED, *(condition for condition, _ in overrides))
    return frozenset(root for one in made for root in one.meta.root_names())


def _key() -> list[pl.Expr]:
    columns = [pl.col(column).alias(name) for name, column in ENDING_COLUMNS.items() if name != "details"]
    details = pl.coalesce(ENDING_COLUMNS["details"], _TERMINATION).alias("details")
    connected = pl.col("upstream.local.ip").is_not_null().alias("connected")
    return [*columns, details, connected, pl.col("response.size").is_not_null().alias("told")]


def _overridden(overrides: Sequence[Override]) -> pl.Expr:
    chosen = [pl.when(condition).then(pl.lit(outcome.value)) for condition, outcome in overrides]
    return pl.coalesce(chosen) if chosen else pl.lit(None, pl.String)


def _is_plain() -> pl.Expr:
    """Whether this is an everyday success, which needs no judge."""
    answered = (pl.col("code") < 400) & (pl.col("grpc_status").fill_null(0) == 0)
    told = pl.col("details").is_null() | (pl.col("details") == "via_upstream")
    fine = pl.when(pl.col("protocol") == "tcp").then(pl.col("details").is_null()).otherwise(answered & told)
    return (fine & (pl.col("flags") == 0) & pl.col("overridden").is_null()).fill_null(value=False)


def _judged(way: tuple[object, ...]) -> tuple[str, str | None]:
    """Judge a way to end, or remember the verdict; what strangers write at length is not kept."""
    length = sum(len(value) for value in way if isinstance(value, str))
    return _remembered(way) if length <= _MAX_REMEMBERED else _judge(way)


def _judge(way: tuple[object, ...]) -> tuple[str, str | None]:
    told = {name: value for name, value in zip(_WAY, way, strict=True) if value is not None}
    overridden = told.pop("overridden", None)
    ending = Ending(**told)  # type: ignore[arg-type]
    outcome = outcome_of(ending) if overridden is None else Outcome(str(overridden))
    blame = blame_of(ending, outcome)
    return outcome.value, None if blame is None else blame.value


# Details are the upstream's to choose.
_remembered = lru_cache(maxsize=4096)(_judge)
_MAX_REMEMBERED = 512
_VERDICT = {"response.outcome": pl.String, "response.blame": pl.String}
_UPSTREAM_END = 9
_ENDED = (
    (pl.col("request.counts") | (pl.col("envoy.access_log_type") == _UPSTREAM_END))
    .fill_null(value=False)
    .alias("ended")
)
_PLAIN_SUCCESS = (Outcome.SUCCESS.value, None)
# Built once: for small batches that is most of the work.
_KEY = _key()
_WAY = ["overridden", *(one.meta.output_name() for one in _KEY)]
_PLAIN = _is_plain().alias("plain")
