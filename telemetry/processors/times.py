"""A request's time, taken apart: who held it, and for how long (docs/times.md)."""

from collections.abc import Callable

import polars as pl

from telemetry.attributes import DURATION

__all__ = ["EXCLUDED", "EXCLUDED_READS", "PARTS", "READS", "latency_excluded", "times"]

EXCLUDED = "latency.excluded"
PARTS = (
    "time.request_receive",
    "time.proxy_in",
    "time.retries",
    "time.upstream_wait",
    "time.response_transfer",
    "time.proxy_out",
)
_SWITCHING_PROTOCOLS = 101

# Since the request's start, on Envoy's monotonic clock.
_MARKS = {
    "received": "envoy.time_to_last_rx_byte",
    "begun": "envoy.time_to_first_upstream_tx_byte",
    "handed_on": "envoy.time_to_last_upstream_tx_byte",
    "answered": "envoy.time_to_first_upstream_rx_byte",
    "answer_ended": "envoy.time_to_last_upstream_rx_byte",
    "replied": "envoy.time_to_first_downstream_tx_byte",
    "whole": "response.duration",
}


def latency_excluded() -> pl.Expr:
    """Whether response.duration says how long a session lived, not how fast a request was answered (Boolean).

    So for connections, for WebSockets and other upgrades (101), for CONNECT tunnels that were opened, and for rows that
    don't count their request (begun, periodic, of one attempt, a listener's).
    """
    code = pl.col("response.code")
    upgraded = (code == _SWITCHING_PROTOCOLS) | ((pl.col("request.method") == "CONNECT") & code.is_between(200, 299))
    session = (pl.col("context.protocol") == "tcp") | upgraded.fill_null(value=False)
    return (session | ~pl.col("request.counts")).alias(EXCLUDED)


def times(rows: pl.DataFrame) -> pl.DataFrame:
    """Give latency.excluded and the six parts of response.duration. Columns: EXCLUDED, *PARTS (Duration, ns).

    No part is negative, and the parts that are not null add up to response.duration exactly. All are null where the
    latency is excluded, and where the duration is unknown or negative.
    """
    for step in _STEPS:
        rows = step(rows)
    return rows


def _answer_in_order() -> list[pl.Expr]:
    """Put the answer's marks in order, within the whole; `answer` is when the waiting for it was over.

    That is its first byte; without one, the first byte of Envoy's own reply; without that, the end.
    """
    whole = pl.col("whole")
    answered = pl.col("answered").clip(0, whole)
    answer_ended = pl.col("answer_ended").clip(answered.fill_null(0), whole)
    replied = pl.when(pl.col("answered").is_null() & pl.col("answer_ended").is_null()).then(pl.col("replied"))
    out = pl.coalesce(answer_ended, replied.clip(0, whole))
    return [
        answered.alias("answered"),
        answer_ended.alias("answer_ended"),
        out.alias("out"),
        pl.coalesce(answered, out, whole).alias("answer"),
    ]


def _request_in_order() -> list[pl.Expr]:
    """Put the request's marks in order, before the answer: with half-close, what overlaps counts as the answer's."""
    answer = pl.col("answer")
    received = pl.col("received").clip(0, answer)
    # Begun to be handed on is as good as handed on only if nothing was still to come.
    begun = pl.when(pl.col("received").is_not_null()).then("begun")
    handed_on = pl.coalesce(pl.col("handed_on"), begun).clip(received.fill_null(0), answer)
    return [received.alias("received"), handed_on.alias("handed_on")]


def _parts() -> dict[str, pl.Expr]:
    """Give the formulas: a part whose end is unknown lasts to the next known mark, and those skipped are null."""
    whole, received, handed_on, answer = (pl.col(name) for name in ("whole", "received", "handed_on", "answer"))
    inwards = pl.coalesce(handed_on, answer) - received
    retried = pl.col("attempts") > 1
    receive = pl.coalesce(received, handed_on, answer)
    retries = pl.when(retried).then(inwards).when(pl.col("attempts").is_not_null() & inwards.is_not_null()).then(0)
    return dict(
        zip(
            PARTS,
            (
                receive,
                pl.when(retried).then(None).otherwise(inwards),
                retries,
                answer - handed_on,
                pl.coalesce("answer_ended", "whole") - pl.col("answered"),
                whole - pl.col("out"),
            ),
            strict=True,
        )
    )


def _steps() -> tuple[Callable[[pl.DataFrame], pl.DataFrame], ...]:
    """Build the expressions once: for small batches that is most of the work."""
    meant = ~pl.col(EXCLUDED) & (pl.col("whole") >= 0)
    marks = [pl.col(column).to_physical().alias(mark) for mark, column in _MARKS.items()]
    first = [latency_excluded(), pl.col("request.attempts").alias("attempts"), *marks]
    known = [pl.when(meant).then(pl.col(mark)).alias(mark) for mark in _MARKS]
    answer, request = _answer_in_order(), _request_in_order()
    parts = [part.cast(DURATION).alias(name) for name, part in _parts().items()]
    return (
        lambda rows: rows.select(first),
        lambda rows: rows.with_columns(known),
        lambda rows: rows.with_columns(answer),
        lambda rows: rows.with_columns(request),
        lambda rows: rows.select(EXCLUDED, *parts),
    )


_STEPS = _steps()
EXCLUDED_READS = frozenset(latency_excluded().meta.root_names())
"""The attributes that latency.excluded is made of."""
READS = EXCLUDED_READS.union(_MARKS.values(), {"request.attempts"})
"""The attributes that the parts are made of."""
