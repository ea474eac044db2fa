"""Every distinct stat once: what it is called, whether it is kept, which metric and labels it becomes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from telemetry.envoy_stats.metrics import Conflict, Metrics, TooMany
from telemetry.envoy_stats.names import Name, Namer
from telemetry.envoy_stats.rules import Rules
from telemetry.envoy_stats.shapes import Shapes
from telemetry.envoy_stats.styles import STYLES

__all__ = ["COUNTER", "DENIED", "GAUGE", "HISTOGRAM", "KEPT", "VERDICTS", "Stats", "Told"]

COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM = range(5)
VERDICTS = ("kept", "denied", "kind_conflict", "reserved_name", "too_many_metrics")
KEPT, DENIED, KIND_CONFLICT, RESERVED_NAME, TOO_MANY_METRICS = range(5)
"""Whether a stat is kept, or why not."""

_OURS = "telemetry_"
_KINDS = {COUNTER: "counter", GAUGE: "gauge", UNTYPED: "gauge", HISTOGRAM: "histogram"}
_STYLES = {style.number: style for style in STYLES.values()}

Told = tuple[int, int, int, str, Sequence[tuple[str, str]]]
"""What the decoder tells of a new stat: number, style, kind, name, labels."""
Part = str | float
"""What a summary is made of: `sum`, `count`, or a quantile."""

_ROW = np.dtype(
    [
        ("kind", np.uint8),
        ("verdict", np.uint8),
        ("metric", np.int32),
        ("shape", np.int32),
        ("row", np.int32),
        ("hash", np.uint64),
        ("seen_ns", np.int64),
    ]
)


class Stats:
    """Columns by stat number: `kind`, `verdict`, `metric`, `shape` and `row` of the labels, their `hash`, `seen_ns`.

    `seed` (64 bytes at most) makes hashes other ones in each process.
    """

    def __init__(self, rules: Rules, *, seed: bytes) -> None:
        self._namer = Namer(rules.identity, rules.custom_tags, repair=rules.repair)
        self._keeps = rules.keeps()
        self._max_names = rules.max_names
        self._seed = seed
        self.metrics = Metrics()
        self.shapes = Shapes()
        self.names: dict[int, Name] = {}
        self.by_stat: dict[str, set[int]] = {}
        self._parts: dict[int, dict[Part, int]] = {}
        self._free_parts: list[int] = []
        self._part_numbers = 0
        self._grow(1024)

    def _grow(self, length: int) -> None:
        table = np.zeros(length, _ROW)
        old: NDArray[np.void] = getattr(self, "_table", table[:0])
        table[: len(old)] = old
        self._table = table
        self.kind, self.verdict, self.metric = table["kind"], table["verdict"], table["metric"]
        self.shape, self.row, self.hash = table["shape"], table["row"], table["hash"]
        self.seen_ns = table["seen_ns"]

    def learn(self, told: Iterable[Told], now_ns: int) -> None:
        """Take new stats in."""
        for number, style, kind, name, labels in told:
            made = self._namer.name(name, tuple(labels), _STYLES[style])
            if kind == SUMMARY:
                # What it becomes is settled when somebody sends it without a histogram.
                self._set(number, kind, KEPT, made, now_ns)
            else:
                self._add(number, kind, made, now_ns)

    def part(self, summary: int, part: Part, now_ns: int) -> int:
        """Give the number of a summary's part: counters for sum and count, a gauge for a quantile."""
        parts = self._parts.setdefault(summary, {})
        number = parts.get(part)
        if number is None:
            number = parts[part] = self._part_number()
            base = self.names[summary]
            if isinstance(part, str):
                made = replace(base, metric=f"{base.metric}_{part}")
            else:
                made = replace(base, labels=tuple(sorted((*base.labels, ("quantile", f"{part:g}")))))
            self._add(number, COUNTER if isinstance(part, str) else GAUGE, made, now_ns, base.metric)
        return number

    def _part_number(self) -> int:
        """Give a number that the decoder never gives."""
        if self._free_parts:
            return self._free_parts.pop()
        self._part_numbers += 1
        return self._max_names + self._part_numbers - 1

    def _add(self, number: int, kind: int, name: Name, now_ns: int, rule_name: str | None = None) -> None:
        verdict, metric = self._judge(name.metric, kind, rule_name or name.metric)
        self._set(number, kind, verdict, name, now_ns)
        if verdict == KEPT:
            self.metric[number] = metric
            self.shape[number], self.row[number] = self.shapes.add(name.labels)
            self.hash[number] = self.hash_of(part for pair in name.labels for part in pair)

    def _set(self, number: int, kind: int, verdict: int, name: Name, now_ns: int) -> None:
        if number >= len(self._table):
            self._grow(max(number + 1, 2 * len(self._table)))
        self.kind[number], self.verdict[number], self.seen_ns[number] = kind, verdict, now_ns
        self.names[number] = name
        self.by_stat.setdefault(name.stat, set()).add(number)

    def _judge(self, metric: str, kind: int, rule_name: str) -> tuple[int, int]:
        if not self._keeps.match(rule_name):
            return DENIED, 0
        if metric.startswith(_OURS):
            return RESERVED_NAME, 0
        try:
            return KEPT, self.metrics.number(metric, _KINDS[kind])
        except Conflict:
            return KIND_CONFLICT, 0
        except TooMany:
            return TOO_MANY_METRICS, 0

    def hash_of(self, parts: Iterable[str]) -> int:
        """Give 64 bits for these texts."""
        text = "\0".join(parts).encode()
        return int.from_bytes(blake2b(text, digest_size=8, key=self._seed).digest(), "little")

    def forget_unseen(self, since_ns: int) -> list[int]:
        """Drop the stats that nobody has sent since; gives the decoder's numbers among them."""
        gone = [number for number in self.names if self.seen_ns[number] < since_ns and number < self._max_names]
        for number in gone:
            for part in self._parts.pop(number, {}).values():
                self._drop(part)
                self._free_parts.append(part)
            self._drop(number)
        return gone

    def _drop(self, number: int) -> None:
        name = self.names.pop(number)
        numbers = self.by_stat[name.stat]
        numbers.discard(number)
        if not numbers:
            del self.by_stat[name.stat]
        if self.verdict[number] == KEPT and self.kind[number] != SUMMARY:
            self.shapes.remove(int(self.shape[number]), int(self.row[number]))
