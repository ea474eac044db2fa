"""What joining and tracing both look at in an entry, worked out once for both."""

import secrets
from dataclasses import dataclass, replace
from weakref import ref

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.addresses import READS as ADDRESSES
from telemetry.processors.hops.addresses import addresses, numbers
from telemetry.processors.hops.constant import same
from telemetry.processors.hops.hashes import Hashes, combined, distinct, request_ids, text

__all__ = ["KIND", "READS", "SEED", "Reader", "Reading"]

KIND = (
    "context.protocol", "context.reporter.kind", "context.proxy_error_code", "request.method", "request.operation",
    "request.attempts", "response.code", "response.grpc_status", "response.flags", "response.outcome",
    "response.blame", "latency.excluded", "connection.event", "connection.opened",
)  # fmt: skip
"""What entries have in few combinations: much is worked out for each kind only once."""

METHOD_OF_GRPC = "request.url_path"
"""This of gRPC's entries only: elsewhere there are many."""

READS = (
    *ADDRESSES, "context.protocol", "context.reporter.kind", "request.id", "request.time", "request.attempts",
    "response.duration",
)  # fmt: skip
"""What it can't do without; of KIND it takes what is there."""

SEED = 0x6D657368
"""Fixed: ids of spans are made of these hashes, and two of us give one request the same ids, as we do after a restart.

Whoever writes two request ids with one hash could as well have written one id twice.
"""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reading:
    """By row. Hashes are 0 where there is nothing to hash; times in ns since 1970, by the Envoy's own clock.

    `client`: whether a client's Envoy tells; `id`: of the request; `host`: where the connection is from, whichever the
    port; `sender`, `receiver`: both ends of the connection, with ports. `kind`: which row of `kinds` (columns KIND and
    METHOD_OF_GRPC, which is null where it is not gRPC's) tells the rest.
    """

    client: Bools
    start: Ints
    end: Ints
    id: Hashes
    host: Hashes
    sender: Hashes
    receiver: Hashes
    kind: Ints
    kinds: pl.DataFrame

    @property
    def attempts(self) -> Ints:
        """How often the request was tried; 0 where nobody tells."""
        attempts: Ints = numbers(self.kinds["request.attempts"]).astype(np.int64)[self.kind]
        return attempts

    def take(self, chosen: Bools) -> "Reading":
        """Give the rows that are chosen; mostly all are, and then nothing is copied."""
        if chosen.all():
            return self
        return replace(self, **{name: getattr(self, name)[chosen] for name in _BY_ROW})


_METHOD = pl.when(pl.col("context.protocol") == "grpc").then(METHOD_OF_GRPC)
_BY_ROW = [name for name in Reading.__slots__ if name != "kinds"]


class Reader:
    """Reads LOGENTRY rows, and remembers what it read last: who comes next with the same frame need not read again."""

    def __init__(self) -> None:
        self._last: tuple[ref[pl.DataFrame], Reading] | None = None
        # Of what clients can write, and what is not to be known again elsewhere.
        self._seed = secrets.randbits(64)

    def read(self, rows: pl.DataFrame) -> Reading:
        """Give what the rows tell; they have READS at least."""
        last = self._last
        if last is None or last[0]() is not rows:
            self._last = last = (ref(rows), self._made(rows))
        return last[1]

    def _made(self, rows: pl.DataFrame) -> Reading:
        reporter = rows["context.reporter.kind"]
        client = (reporter.eq_missing("outbound") if reporter.null_count() else reporter == "outbound").to_numpy()
        sender, receiver = addresses(rows, client, SEED)
        start, duration = (numbers(rows[name]) for name in ("request.time", "response.duration"))
        ids = request_ids(rows["request.id"], SEED)
        kind, kinds = self._kinds(rows)
        return Reading(client, start, start + duration, ids, sender.host, sender.key, receiver.key, kind, kinds)

    def _kinds(self, rows: pl.DataFrame) -> tuple[Ints, pl.DataFrame]:
        told = [name for name in KIND if rows[name].null_count() < len(rows)]
        hashes = rows[told].hash_rows(self._seed).to_numpy()
        is_grpc = rows["context.protocol"] == "grpc"
        if is_grpc.any():
            paths = text(rows[METHOD_OF_GRPC], self._seed) * is_grpc.fill_null(value=False).to_numpy()
            hashes = combined(hashes, paths)
        first, kind = distinct(hashes)
        place = pl.Series(first)
        if not is_grpc.any():
            return kind, rows[[*KIND]][place].hstack([same(None, pl.String, len(place)).alias(METHOD_OF_GRPC)])
        return kind, rows[[*KIND, METHOD_OF_GRPC]][place].with_columns_seq(_METHOD)
