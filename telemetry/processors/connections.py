"""Running totals of long connections become what was added since the last report."""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from telemetry.batch import Batch, Template

__all__ = ["Connections"]

_ID = "connection.id"
_DIRECTIONS = ("connection.received.bytes", "connection.sent.bytes")
_STATE = {_ID: pl.String, "received": pl.UInt64, "sent": pl.UInt64, "seen": pl.Int64}
_NEW = ("connection.opened", *_DIRECTIONS)


class Connections:
    """Fills connection.opened and the byte deltas of TCP rows; everything else passes unchanged.

    Envoy reports a connection's totals so far, at its opening, periodically and at its end. What it reported before is
    remembered per stream id, for at most `limit` connections. Of a connection that began before `started_ns` (the last
    process may have counted it) or before some were forgotten for lack of room, a first periodic report is where
    counting begins, not an increase; its end counts whole, as it may be the only report there is.
    """

    reads = frozenset(
        {
            "context.time", "connection.id", "connection.event", "request.time", "connection.received.bytes_total",
            "connection.sent.bytes_total",
        }
    )  # fmt: skip

    keeps_context = True

    def __init__(self, *, started_ns: int, limit: int = 200_000) -> None:
        self._limit = limit
        self._blind_before_ns = started_ns
        self._open = pl.DataFrame(schema=_STATE)
        self.forgotten_total = 0

    def __len__(self) -> int:
        return len(self._open)

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give a LOGENTRY batch with its TCP rows completed, any other as it is."""
        if batch.template is not Template.LOGENTRY:
            return (batch,)
        numbered = batch.rows.with_row_index("at")
        reports = numbered.filter(pl.col("connection.event").is_not_null()).select(
            "at",
            _ID,
            "connection.event",
            "request.time",
            "context.time",
            received=pl.col("connection.received.bytes_total").fill_null(0),
            sent=pl.col("connection.sent.bytes_total").fill_null(0),
        )
        if reports.is_empty():
            return (batch,)
        deltas = self._deltas(reports)
        joined = numbered.drop(_NEW).join(deltas, on="at", how="left", maintain_order="left")
        return (replace(batch, rows=joined.select(batch.rows.columns)),)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()

    def _deltas(self, reports: pl.DataFrame) -> pl.DataFrame:
        """Columns: at, connection.opened, and the two deltas, for each report."""
        # Reports without an id (Envoys before 1.26) stand each for itself.
        keyed = reports.with_columns(pl.col(_ID).fill_null(pl.format("row {}", "at")))
        remembered = keyed.join(self._open, on=_ID, how="left", maintain_order="left", suffix="_before")
        before = {name: self._before(name) for name in ("received", "sent")}
        counted = remembered.with_columns(known=self._known(), blind=self._blind()).with_columns(
            **{f"{name}_before": expression for name, expression in before.items()}
        )
        self._remember(keyed)
        return counted.select(
            "at",
            pl.when(pl.col("known") | pl.col("blind")).then(statement=False).otherwise(statement=True).alias(_NEW[0]),
            _increase("received").alias(_DIRECTIONS[0]),
            _increase("sent").alias(_DIRECTIONS[1]),
        )

    @staticmethod
    def _known() -> pl.Expr:
        """Whether an earlier report was seen, in this batch or before."""
        return pl.col("seen").is_not_null() | pl.col("at").shift(1).over(_ID).is_not_null()

    def _blind(self) -> pl.Expr:
        began = pl.col("request.time").dt.epoch("ns").fill_null(0)
        first = pl.col("seen").is_null() & pl.col("at").shift(1).over(_ID).is_null()
        return first & (pl.col("connection.event") == "continue") & (began < self._blind_before_ns)

    @staticmethod
    def _before(name: str) -> pl.Expr:
        earlier = pl.coalesce(pl.col(name).shift(1).over(_ID), pl.col(f"{name}_before"), pl.lit(0, pl.UInt64))
        return pl.when("blind").then(name).otherwise(earlier)

    def _remember(self, reports: pl.DataFrame) -> None:
        latest = reports.group_by(_ID, maintain_order=True).last()
        still_open = latest.filter(pl.col("connection.event") != "close").select(
            _ID, "received", "sent", seen=pl.col("context.time").dt.epoch("ns")
        )
        others = self._open.join(latest, on=_ID, how="anti")
        self._open = pl.concat([others, still_open], rechunk=True)
        excess = len(self._open) - self._limit
        if excess > 0:
            self._open = self._open.sort("seen").slice(excess)
            self._blind_before_ns = int(reports["context.time"].dt.epoch("ns")[-1])
            self.forgotten_total += excess


def _increase(name: str) -> pl.Expr:
    """Give what was added; a total below the last one is another connection's, whose id was used again."""
    now, before = pl.col(name), pl.col(f"{name}_before")
    return pl.when(now >= before).then(now - before).otherwise(now)
