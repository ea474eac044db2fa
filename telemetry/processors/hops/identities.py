"""Who and whom, across batches: a number for each, and which Envoys are known to report."""

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.register import Register, Slots
from telemetry.processors.hops.reporters import Reporters

__all__ = ["IDENTITY", "Identities"]

_HOP = list(SCHEMAS[Template.HOP])
IDENTITY = tuple(_HOP[_HOP.index("context.protocol") : _HOP.index("hop.reporter")])
"""The columns that rows of one context.key share."""

# Each end knows itself best; whom it proved to be, the other end; which service was meant, who asked for it.
_SERVER_FIRST = ("source.principal", "destination.", "connection.mtls")
_CLIENT_FIRST = ("destination.service.",)

_WORKLOADS = {
    side: [f"{side}.workload.name", f"{side}.workload.namespace", f"{side}.cluster.id"]
    for side in ("source", "destination")
}
_SERVICE = "destination.service.name"
_SLOT = ["context.reporter.kind", *IDENTITY]
_NUMBERS = {"source": pl.UInt64, "destination": pl.UInt64, "service": pl.UInt64}
# An Envoy that has been silent for so long is not expected to report.
_KNOWN_FOR_NS = 300_000_000_000
_SMALL = 1 << 22
_SCHEMA = {name: SCHEMAS[Template.HOP][name] for name in IDENTITY}

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Identities:
    """Numbers ("slots") for distinct identities. `seed`: hashes them. `limit`: `full` says that it is reached."""

    def __init__(self, seed: int, limit: int = 65_536) -> None:
        self._seed = seed
        self._limit = limit
        self._reporters = {client: Reporters(limit) for client in (True, False)}
        self._register = Register(_SCHEMA, seed)
        self.clear()

    def __len__(self) -> int:
        return len(self._register)

    @property
    def full(self) -> bool:
        """Whether it is time to settle all that has a slot, and to clear."""
        return len(self) >= self._limit

    def clear(self) -> None:
        """Forget all slots, not who reports."""
        self._register.clear()
        self._numbers = pl.DataFrame({name: [0] for name in _NUMBERS}, schema=_NUMBERS)
        self._as_arrays: dict[str, Hashes] = {}

    def slots(self, rows: pl.DataFrame, now_ns: int) -> Slots:
        """Give the slot of each context.key of these LOGENTRY rows: an array by key; note who reported."""
        keys = rows["context.key"].to_numpy()
        first = np.full(int(keys.max()) + 1, -1, np.int64)
        first[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)
        present = np.flatnonzero(first >= 0)
        shown = rows[_SLOT][pl.Series(first[present].astype(np.uint32))]
        slots = np.zeros(len(first), np.uint32)
        slots[present] = self._register.numbers(shown)
        self._note(slots[present], (shown["context.reporter.kind"] == "outbound").to_numpy(), now_ns)
        return slots

    def number(self, name: str, slots: npt.NDArray[np.integer]) -> Hashes:
        """Give a hash of the slots' `source`, `destination` (workloads) or `service`; 0 for unknown."""
        numbers: Hashes = self._arrays()[name][slots]
        return numbers

    def others_report(self, slots: Ints, client: Bools, now_ns: int) -> Bools:
        """Tell of ends of hops whether the other one's Envoy is known to report; `client`: which are clients'."""
        # By slot the server at even places, the client at odd ones.
        others = 2 * slots + ~client
        known = np.zeros(2 * len(self._register.table), np.bool_)
        known[others] = True
        for side, is_client in (("destination", False), ("source", True)):
            asked = np.flatnonzero(known[is_client::2])
            whom = self.number(side, asked)
            reports = (whom != 0) & self._reporters[is_client].since(whom, now_ns - _KNOWN_FOR_NS)
            known[2 * asked + is_client] = reports
        return known[others]

    def of_pairs(self, clients: pl.Series, servers: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
        """Give a number for each pair of slots (null where one end is missing), and by number the identity."""
        key, distinct = _numbered(
            [numbers(end).astype(np.int64) for end in (clients, servers)], len(self._register.table)
        )
        ends = zip(("client", "server"), distinct, strict=True)
        both = [self._register.table[pl.Series(slots)].rename(_OF_END[end]) for end, slots in ends]
        return pl.Series(key), both[0].hstack(both[1].get_columns()).select_seq(_BETTER)

    def _arrays(self) -> dict[str, Hashes]:
        if len(self._register.table) > len(self._numbers) or not self._as_arrays:
            new = self._register.table[len(self._numbers) :]
            self._numbers.extend(new.select(self._number("source"), self._number("destination"), self._service()))
            self._as_arrays = {name: self._numbers[name].to_numpy() for name in _NUMBERS}
        return self._as_arrays

    def _number(self, side: str) -> pl.Expr:
        return self._hash(pl.struct(_WORKLOADS[side]), f"{side}.workload.name").alias(side)

    def _service(self) -> pl.Expr:
        return self._hash(pl.col(_SERVICE), _SERVICE).alias("service")

    def _hash(self, what: pl.Expr, known_by: str) -> pl.Expr:
        return pl.when(pl.col(known_by).is_not_null()).then(what.hash(self._seed)).otherwise(pl.lit(0, pl.UInt64))

    def _note(self, slots: Slots, client: npt.NDArray[np.bool_], now_ns: int) -> None:
        for side, chosen in (("source", True), ("destination", False)):
            whom = self.number(side, slots[client == chosen])
            self._reporters[chosen].note(whom[whom != 0], now_ns)


def _numbered(ends: list[Ints], size: int) -> tuple[Slots, list[Ints]]:
    """Give each distinct pair of slots below `size` a number: that of each row, and both ends by number."""
    compact, slots = zip(*(_compact(end, size) for end in ends), strict=True)
    width = len(slots[1])
    cells = compact[0].astype(np.int64) * width + compact[1]
    if len(slots[0]) * width <= _SMALL:
        numbers, used = _compact(cells, len(slots[0]) * width)
    else:
        used, inverse = np.unique(cells, return_inverse=True)
        numbers = inverse.astype(np.uint32)
    return numbers, [slots[0][used // width], slots[1][used % width]]


def _compact(values: Ints, size: int) -> tuple[Slots, Ints]:
    """Give distinct values below `size` consecutive numbers, without sorting: those numbers, and the values."""
    numbers = np.zeros(size, np.uint32)
    numbers[values] = 1
    used = np.flatnonzero(numbers)
    numbers[used] = np.arange(len(used))
    return numbers[values], used


def _better(name: str) -> pl.Expr:
    """Give an attribute as that end has it that knows better, else as the other has it."""
    server_knows = name.startswith(_SERVER_FIRST) and not name.startswith(_CLIENT_FIRST)
    ends = (f"server.{name}", f"client.{name}") if server_knows else (f"client.{name}", f"server.{name}")
    return pl.coalesce(ends).alias(name)


_BETTER = [_better(name) for name in IDENTITY]
_OF_END = {end: {name: f"{end}.{name}" for name in IDENTITY} for end in ("client", "server")}
