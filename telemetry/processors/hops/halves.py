"""One end of a hop: of an entry only what its hop will show, and the hashes by which the other end is found."""

from collections.abc import Collection

import numpy as np
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.hashes import Hashes, combined, request_ids, text
from telemetry.processors.hops.parts import HELD

__all__ = ["HALF", "READS", "halves"]

_ENTRY = SCHEMAS[Template.LOGENTRY]
_CARRIED = (
    "request.time", "request.id", "request.operation", "request.attempts", "trace.id", "trace.span_id",
    "response.code", "response.grpc_status", "response.flags", "context.proxy_error_code", "response.outcome",
    "response.blame", "response.duration", "latency.excluded", "connection.event", "connection.opened", "context.time",
)  # fmt: skip
_IS_TCP = pl.col("context.protocol") == "tcp"
_IS_CLIENT = pl.col("context.reporter.kind").eq_missing("outbound")
_MADE = {
    "client": _IS_CLIENT,
    **HELD,
    "request.bytes": pl.when(_IS_TCP).then("connection.received.bytes").otherwise("request.total_size"),
    "response.bytes": pl.when(_IS_TCP).then("connection.sent.bytes").otherwise("response.total_size"),
    # The client's end of the connection, then the server's.
    "from.ip": pl.when(_IS_CLIENT).then("upstream.local.ip").otherwise("downstream.ip"),
    "from.port": pl.when(_IS_CLIENT).then("upstream.local.port").otherwise("downstream.port").fill_null(0),
    "to.ip": pl.when(_IS_CLIENT).then("upstream.ip").otherwise("downstream.local.ip"),
    "to.port": pl.when(_IS_CLIENT).then("upstream.port").otherwise("downstream.local.port").fill_null(0),
    # A TLS handshake that fails has a connection too: only an answer proves that the server's Envoy had the request.
    "answered": ~_IS_CLIENT | pl.col("envoy.time_to_first_upstream_rx_byte").is_not_null() | _IS_TCP,
}
_NEEDED = (*_CARRIED, "context.key")

READS: Collection[str] = frozenset(
    {
        *_NEEDED,
        "request.counts",
        "downstream.port",
        *(root for made in _MADE.values() for root in made.meta.root_names()),
    }
)
"""The attributes that a half is made of; identities need more."""

HALF = {
    "slot": pl.UInt32,
    "client": pl.Boolean,
    "answered": pl.Boolean,
    **{name: _ENTRY[name] for name in _CARRIED},
    **dict.fromkeys(HELD, pl.Int64),
    "request.bytes": pl.UInt64,
    "response.bytes": pl.UInt64,
    # 0 where there is none; host: the client's, whichever the port.
    "id": pl.UInt64,
    "host": pl.UInt64,
    "from": pl.UInt64,
    "to": pl.UInt64,
    # Names the entry itself: a second one that is equal is the same, told twice.
    "entry": pl.UInt64,
}

# What tells an entry from others of the same request.
_TELLING = {
    "entry.counts": pl.col("request.counts"),
    "entry.port": pl.col("downstream.port").fill_null(0),
    "entry.start": pl.col("request.time").to_physical().reinterpret(signed=False).fill_null(0),
    "entry.duration": pl.col("response.duration").to_physical().reinterpret(signed=False).fill_null(0),
}
_CHOSEN = pl.col("request.counts").fill_null(value=False) | pl.col("connection.event").is_not_null()
_COLUMNS = [pl.col(_NEEDED), *(made.alias(name) for name, made in (_MADE | _TELLING).items())]


def halves(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Give the entries that are ends of a hop (requests, reports of connections): HALF, with context.key for slot."""
    # Columns first: filtering all of an entry's would cost more than everything else here.
    shown = rows.select(*_COLUMNS, _CHOSEN.alias("chosen"))
    if not shown["chosen"].all():
        shown = shown.filter("chosen")
    ids = request_ids(shown["request.id"], seed)
    host, server = (text(shown[f"{end}.ip"], seed) for end in ("from", "to"))
    sender = _address(host, shown["from.port"])
    receiver = _address(server, shown["to.port"])
    entry = combined(ids, sender, receiver, *(shown[name].to_numpy() for name in ("client", *_TELLING)))
    hashed = {"id": ids, "host": host, "from": sender, "to": receiver, "entry": entry}
    return shown.with_columns(
        pl.col("context.key").alias("slot"), *(pl.Series(name, values) for name, values in hashed.items())
    ).select(list(HALF))


def _address(ip: Hashes, port: pl.Series) -> Hashes:
    return np.where(ip == 0, np.uint64(0), combined(ip, port.to_numpy()))
