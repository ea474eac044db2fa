"""What came of one thing that happened: Envoy's own lines, our rows, and what was counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Counts", "Lines", "Seen", "counts"]

# What one thing that happened added to each metric.
Counts = Mapping[str, float]
Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one thing that happened: Envoy's lines, our rows, in no order; and what was counted."""

    lines: Sequence[Mapping[str, Any]]
    rows: Sequence[Mapping[str, Any]]
    counts: Counts
    metrics: Sequence[Mapping[str, Any]]

    @property
    def line(self) -> Mapping[str, Any]:
        (line,) = self.lines
        return line

    @property
    def row(self) -> Mapping[str, Any]:
        (row,) = self.rows
        return row

    def of_type(self, kind: int) -> list[Mapping[str, Any]]:
        """The rows of that AccessLogType, in the order in which they came."""
        return [row for row in self.rows if row["envoy.access_log_type"] == kind]

    @property
    def labels(self) -> Mapping[str, Any]:
        """Those of the one request that was counted."""
        (metric,) = (metric for metric in self.metrics if metric["metric"] == "istio_requests_total")
        assert metric["value"] == 1
        labels: Mapping[str, Any] = metric["labels"]
        return labels

    @property
    def counting(self) -> Mapping[str, Any]:
        """The only row that counts."""
        (row,) = (row for row in self.rows if row["request.counts"])
        return row


def counts(metrics: Sequence[Mapping[str, Any]]) -> Counts:
    """Istio's counters by name; of a histogram its count."""
    sums: dict[str, float] = {}
    for row in metrics:
        if not row["metric"].startswith("istio_"):  # hops' and completeness' come in their own time
            continue
        added = row["value"] if row["count"] is None else row["count"]
        sums[row["metric"]] = sums.get(row["metric"], 0.0) + added
    return sums
