"""One end of a hop: of an entry only what its hop will show, and the hashes by which the other end is found."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.answers import ANSWER
from telemetry.processors.hops.hashes import Hashes, combined
from telemetry.processors.hops.parts import HELD, SHARES, times_of
from telemetry.processors.hops.reading import READS as READ
from telemetry.processors.hops.reading import Reading
from telemetry.processors.hops.register import Slots

__all__ = ["HALF", "IDS", "READS", "ends_among", "halves"]

_ENTRY = SCHEMAS[Template.LOGENTRY]
_TIMES = ("request.time", "response.duration", "context.time")
IDS = ("request.id", "trace.id", "trace.span_id")
"""Carried only where whoever reads the hops wants to know of which request they are."""

_IS_TCP = pl.col("context.protocol") == "tcp"
_BYTES = {
    "request.bytes": pl.when(_IS_TCP).then("connection.received.bytes").otherwise("request.total_size"),
    "response.bytes": pl.when(_IS_TCP).then("connection.sent.bytes").otherwise("response.total_size"),
}
_OF_REQUESTS = {"request.bytes": "request.total_size", "response.bytes": "response.total_size"}
_FIRST_ANSWER = "envoy.time_to_first_upstream_rx_byte"
_NEEDED = sorted(
    {
        *_TIMES,
        *IDS,
        *ANSWER,
        *HELD,
        *READ,
        *(root for made in _BYTES.values() for root in made.meta.root_names()),
        "context.key",
        "request.counts",
        _FIRST_ANSWER,
    }
)

READS: Collection[str] = frozenset(_NEEDED)
"""The attributes that a half, and its answer, is made of; identities need more."""

HALF = {
    # Who and whom (Identities), what became of it (Answers).
    "slot": pl.UInt32,
    "answer": pl.UInt32,
    "client": pl.Boolean,
    "answered": pl.Boolean,
    **{name: _ENTRY[name] for name in _TIMES},
    **dict.fromkeys(SHARES, pl.Int64),
    "request.bytes": pl.UInt64,
    "response.bytes": pl.UInt64,
    # 0 where there is none; host: the client's, whichever the port; key: of id, from and to, where all three are known.
    "key": pl.UInt64,
    "id": pl.UInt64,
    "host": pl.UInt64,
    "from": pl.UInt64,
    "to": pl.UInt64,
    **{name: _ENTRY[name] for name in IDS},
}
"""A half's columns; without IDS where nobody wants them."""


def halves(
    rows: pl.DataFrame, reading: Reading, slots: Slots, answers: Slots, seed: int, *, whole: bool
) -> tuple[pl.DataFrame, Hashes]:
    """Give the ends of hops that these entries are: HALF, IDS only if `whole`.

    And what names the entry itself: a second one that is equal is the same, told twice.
    """
    named = combined(reading.id, reading.sender, reading.receiver, seed=seed)
    telling = (numbers(rows[name]) for name in ("request.counts", "downstream.port", "response.duration"))
    entry = combined(named, reading.client, reading.start, *telling)
    # Connections have no request id at either end: their addresses name them.
    known = (reading.sender != 0) & (reading.receiver != 0)
    made = {
        "slot": slots, "answer": answers, "client": reading.client, **times_of(rows),
        "key": named if known.all() else np.where(known, named, 0),
        "id": reading.id, "host": reading.host, "from": reading.sender, "to": reading.receiver,
    }  # fmt: skip
    columns = [pl.Series(name, values) for name, values in made.items()]
    carried = rows[[*_TIMES, *IDS] if whole else [*_TIMES]]
    shown = carried.hstack([*columns, *_sizes_and_proof(rows, reading.client)])
    return shown[[name for name in HALF if whole or name not in IDS]], entry


def ends_among(rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Tell which entries are ends of hops: requests, and reports of connections."""
    is_end = rows["request.counts"]
    if not is_end.all(ignore_nulls=False):
        is_end = is_end.fill_null(value=False) | rows["connection.event"].is_not_null()
    # What happened in the mesh itself is nobody's request.
    if rows["context.key"].null_count():
        is_end &= rows["context.key"].is_not_null()
    return is_end.to_numpy()


def _sizes_and_proof(rows: pl.DataFrame, client: npt.NDArray[np.bool_]) -> list[pl.Series]:
    """Give both directions' bytes, and `answered`: whether it is proven that the server's Envoy had the request."""
    is_tcp = rows["context.protocol"] == "tcp"
    # A TLS handshake that fails has a connection too: only an answer proves it.
    answers = rows[_FIRST_ANSWER]
    answered = pl.Series("answered", np.ones(len(rows), np.bool_))
    if answers.null_count():
        answered &= pl.Series(~client) | answers.is_not_null() | is_tcp
    if is_tcp.any():
        return [answered, *rows.select_seq(**_BYTES).get_columns()]
    return [answered, *(rows[source].alias(name) for name, source in _OF_REQUESTS.items())]
