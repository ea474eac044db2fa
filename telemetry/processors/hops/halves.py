"""One end of a hop: of an entry only what its hop will show, and the hashes by which the other end is found."""

from collections.abc import Collection

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.addresses import READS as ADDRESSES
from telemetry.processors.hops.addresses import addresses, numbers
from telemetry.processors.hops.hashes import Hashes, combined, request_ids
from telemetry.processors.hops.parts import HELD, SHARES, times_of

__all__ = ["HALF", "READS", "halves"]

_ENTRY = SCHEMAS[Template.LOGENTRY]
_CARRIED = (
    "request.time", "request.id", "request.operation", "request.attempts", "trace.id", "trace.span_id",
    "response.code", "response.grpc_status", "response.flags", "context.proxy_error_code", "response.outcome",
    "response.blame", "response.duration", "latency.excluded", "connection.event", "connection.opened", "context.time",
)  # fmt: skip
_TIMES = ("request.time", "response.duration")
_IS_TCP = pl.col("context.protocol") == "tcp"
_BYTES = {
    "request.bytes": pl.when(_IS_TCP).then("connection.received.bytes").otherwise("request.total_size"),
    "response.bytes": pl.when(_IS_TCP).then("connection.sent.bytes").otherwise("response.total_size"),
}
_OF_REQUESTS = {"request.bytes": "request.total_size", "response.bytes": "response.total_size"}
_FIRST_ANSWER = "envoy.time_to_first_upstream_rx_byte"
_NEEDED = sorted(
    {
        *_CARRIED,
        *HELD,
        *ADDRESSES,
        *(root for made in _BYTES.values() for root in made.meta.root_names()),
        "context.key",
        "context.reporter.kind",
        "request.counts",
        _FIRST_ANSWER,
    }
)

READS: Collection[str] = frozenset(_NEEDED)
"""The attributes that a half is made of; identities need more."""

HALF = {
    "slot": pl.UInt32,
    "client": pl.Boolean,
    "answered": pl.Boolean,
    **{name: _ENTRY[name] for name in _CARRIED},
    **dict.fromkeys(SHARES, pl.Int64),
    "request.bytes": pl.UInt64,
    "response.bytes": pl.UInt64,
    # 0 where there is none; host: the client's, whichever the port.
    "id": pl.UInt64,
    "host": pl.UInt64,
    "from": pl.UInt64,
    "to": pl.UInt64,
}


def halves(rows: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, Hashes]:
    """Give the entries that are ends of a hop (requests, reports of connections): HALF, with context.key for slot.

    And what names the entry itself: a second one that is equal is the same, told twice.
    """
    shown = _chosen(rows[_NEEDED])
    client = shown["context.reporter.kind"].eq_missing("outbound")
    sender, receiver = addresses(shown, client, seed)
    ids = request_ids(shown["request.id"], seed)
    telling = (numbers(shown[name]) for name in ("request.counts", "downstream.port", *_TIMES))
    entry = combined(ids, sender.key, receiver.key, client.to_numpy(), *telling)
    times = times_of(shown)
    hashed = {"id": ids, "host": sender.host, "from": sender.key, "to": receiver.key}
    made = [client.alias("client"), *_sizes_and_proof(shown, client), shown["context.key"].alias("slot")]
    made += [pl.Series(name, values) for name, values in (times | hashed).items()]
    return shown[list(_CARRIED)].hstack(made)[list(HALF)], entry


def _chosen(rows: pl.DataFrame) -> pl.DataFrame:
    counts = rows["request.counts"]
    if counts.all(ignore_nulls=False):
        return rows
    return rows.filter(counts.fill_null(value=False) | rows["connection.event"].is_not_null())


def _sizes_and_proof(shown: pl.DataFrame, client: pl.Series) -> list[pl.Series]:
    """Give both directions' bytes, and `answered`: whether it is proven that the server's Envoy had the request."""
    is_tcp = shown["context.protocol"] == "tcp"
    # A TLS handshake that fails has a connection too: only an answer proves it.
    answered = (~client | shown[_FIRST_ANSWER].is_not_null() | is_tcp).alias("answered")
    if is_tcp.any():
        return [answered, *shown.select_seq(**_BYTES).get_columns()]
    return [answered, *(shown[source].alias(name) for name, source in _OF_REQUESTS.items())]
