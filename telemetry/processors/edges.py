"""Requests become edges: what went between two workloads in an interval, summed."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import EDGE_REPORTER, SCHEMAS, Batch, Template
from telemetry.processors.edge_lists import COUNTED, PRINCIPALS, Tally, counted_lists, principal_lists
from telemetry.processors.edge_reports import EdgeReports
from telemetry.processors.edge_slots import EDGE_IDENTITY, EdgeSlots, Slots
from telemetry.processors.edge_sums import READS, SUMS, Alike, EdgeSums, alike, milliseconds
from telemetry.processors.flags import flags_text
from telemetry.processors.groups import Groups, group

__all__ = ["Edges", "Targets"]

_SCHEMA = SCHEMAS[Template.EDGE]
_LATENCY = "latency"
_AS_LISTED = {
    "response.code": "code",
    "response.grpc_status": "grpc_status",
    "response.flags": "bits",
    "response.blame": "blame",
}
_COUNTED = ["context.protocol", *_AS_LISTED]
_PRINCIPALS = ["source.principal", "destination.principal"]
_HOP_READS = [
    *dict.fromkeys(
        ("context.key", "context.time", "source.principal", "destination.principal", "response.blame",
         "response.code", "response.grpc_status", "response.flags", *READS, *EDGE_IDENTITY)
    )
]  # fmt: skip

Targets = Callable[[str], Sequence[float]]
"""The latencies, in milliseconds, that the service of a host promises; asked once a host and interval."""


def _no_targets(host: str) -> Sequence[float]:
    return ()


class Edges:
    """Adds EDGE batches, one every `interval_s`, to the HOP and METRIC batches that pass.

    One row is one edge: protocol, workload, workload, service. At most `max_edges` an interval; what is beyond them is
    one edge from `{other}` to `{other}`, so that totals stay exact. Stands behind the processors that make HOP rows and
    istio_requests_total. `folded`: groups of requests that went to `{other}`.
    """

    def __init__(
        self,
        *,
        seed: int,
        started_ns: int,
        interval_s: float = 10.0,
        max_edges: int = 20_000,
        targets: Targets = _no_targets,
    ) -> None:
        self._interval_ns = round(interval_s * 1e9)
        self._start_ns = started_ns
        self._targets = targets
        self._seed = seed
        self._slots = EdgeSlots(seed=seed, limit=max_edges)
        self._reports = EdgeReports(limit=4 * max_edges)
        self._model: Batch | None = None
        self._begin()

    reads: Collection[str] = frozenset()
    """It looks at HOP and METRIC rows only."""

    @property
    def folded(self) -> int:
        """Groups of requests, since the start, whose edge had no room."""
        return self._slots.folded

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch, having added it."""
        if batch.rows.is_empty() or batch.template not in (Template.HOP, Template.METRIC):
            return (batch,)
        self._model = replace(batch, template=Template.EDGE, rows=pl.DataFrame(), kept=None)
        if batch.template is Template.METRIC:
            self._reports.add(batch.rows)
        else:
            self._add(batch.rows[_HOP_READS])
        return (batch,)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Give the interval's edges when it is over; the next one begins whatever became of it."""
        if now_ns // self._interval_ns == self._start_ns // self._interval_ns:
            return ()
        if self._model is None:
            self._start_ns = max(self._start_ns, min(now_ns, self._start_ns + 2 * self._interval_ns))
            return ()
        end_ns = min(now_ns, self._start_ns + 2 * self._interval_ns)
        try:
            return (replace(self._model, rows=self._rows(end_ns)),)
        finally:
            # An interval that can't be told costs its own edges, not those of all that follow.
            self._start_ns = end_ns
            self._begin()

    def _begin(self) -> None:
        self._model = None
        self._slots.clear()
        self._sums = EdgeSums()
        self._responses = Tally(("code", "grpc_status", "bits"))
        self._blame = Tally(COUNTED["blame"])
        self._slow = Tally(COUNTED["slow"], ("slow", "total"))
        self._principals = Tally(("source.principal", "destination.principal"))

    def _add(self, rows: pl.DataFrame) -> None:
        hops = alike(rows, self._seed)
        keys = group(hops.first["context.key"].to_numpy())
        first = hops.first[pl.Series(keys.first.astype(np.uint32))]
        of_key = self._slots.of(first)
        slots, one, numbers = np.unique(of_key, return_index=True, return_inverse=True)
        edges = Groups(numbers[keys.of_row], keys.first[one])
        self._sums.add(hops, edges, slots, int(rows["context.time"].to_physical().max()))  # type: ignore[arg-type]
        counted = [pl.Series("slot", of_key[keys.of_row]), pl.Series("count", hops.count.astype(np.uint64))]
        kinds = hops.first[_COUNTED].rename(_AS_LISTED).hstack(counted)
        self._responses.add(kinds.filter(kinds["context.protocol"] != "tcp"))
        self._blame.add(kinds.filter(kinds["blame"].is_not_null()))
        none = np.zeros(len(of_key), np.uint64)
        self._principals.add(first[_PRINCIPALS].hstack([pl.Series("slot", of_key), pl.Series("count", none)]))
        self._add_slow(hops, keys, of_key, first["destination.service.host"].to_list())

    def _add_slow(self, hops: Alike, keys: Groups, slots: Slots, hosts: Sequence[str | None]) -> None:
        """Count latencies against what the hosts of the keys promise; `slots`: of each key."""
        promised = {host: tuple(self._targets(host)) for host in set(hosts) if host is not None}
        targets = [promised.get(host, ()) if host is not None else () for host in hosts]
        most = max(map(len, targets), default=0)
        if not most:
            return
        took_ms, of_row = milliseconds(hops), keys.of_row[hops.of_row]
        for at in range(most):
            limit_ms = np.array([one[at] if at < len(one) else np.nan for one in targets])
            compared = ~np.isnan(took_ms) & ~np.isnan(limit_ms[of_row])
            slow = np.bincount(of_row, weights=compared & (took_ms > limit_ms[of_row]), minlength=len(slots))
            total = np.bincount(of_row, weights=compared, minlength=len(slots))
            frame = pl.DataFrame({"slot": slots, "threshold_ms": limit_ms, "slow": slow, "total": total})
            self._slow.add(frame.filter(pl.col("total") > 0).with_columns(pl.col("slow", "total").cast(pl.UInt64)))

    def _rows(self, end_ns: int) -> pl.DataFrame:
        reports = self._reports.taken(self._slots)
        count = len(self._slots)
        identities = self._slots.identities().with_row_index("slot").with_columns(pl.col("slot").cast(pl.Int64))
        last_ns = pl.Series(self._sums.last_ns(count)).replace(0, end_ns)
        rows = identities.with_columns(
            *self._sums.columns(count),
            pl.lit(self._start_ns).cast(TIMESTAMP).alias("start"),
            pl.lit(end_ns).cast(TIMESTAMP).alias("time"),
            last_ns.cast(TIMESTAMP).alias("last_seen"),
        )
        rows = rows.with_columns(_reporter())
        for lists in (*self._lists(reports), principal_lists(self._principals.taken())):
            rows = rows.join(lists, on="slot", how="left", maintain_order="left")
        rows = rows.with_columns(
            pl.col(name).fill_null(pl.lit([], dtype=_SCHEMA[name])) for name in (*COUNTED, *PRINCIPALS)
        )
        return rows.filter(_told_of()).select(pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items())

    def _lists(self, reports: pl.DataFrame) -> Iterable[pl.DataFrame]:
        responses = self._responses.taken()
        if len(responses):
            responses = responses.with_columns(flags=flags_text(responses["bits"])).drop("bits")
            responses = responses.select("slot", "code", "grpc_status", "flags", "count")
        yield counted_lists("responses", responses)
        yield counted_lists("blame", self._blame.taken())
        yield counted_lists("slow", self._slow.taken())
        yield counted_lists("reports", reports)


def _reporter() -> pl.Expr:
    paired, source, destination = (
        pl.col(f"requests_{name}") > 0 for name in ("paired", "source_only", "destination_only")
    )
    one_sided = pl.when(source & ~destination).then(pl.lit("source")).when(destination & ~source).then(
        pl.lit("destination")
    )  # fmt: skip
    return pl.when(paired).then(pl.lit("both")).otherwise(one_sided.otherwise(pl.lit("both"))).cast(
        EDGE_REPORTER
    ).alias("reporter")  # fmt: skip


def _told_of() -> pl.Expr:
    """Whether anything went there: {other}'s row is there in any case."""
    return (pl.col("slot") > 0) | pl.any_horizontal(pl.col(name) > 0 for name in SUMS) | (
        pl.col("reports").list.len() > 0
    )  # fmt: skip
