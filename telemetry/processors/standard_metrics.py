"""Istio's standard metrics as tables: all of them, or thinned as Istio's Telemetry API says it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import numpy as np
import polars as pl

from telemetry.processors.groups import Groups
from telemetry.processors.istio_labels import HTTP_LABELS, TCP_LABELS
from telemetry.processors.metric_labels import label_of
from telemetry.processors.points import EXEMPLAR_READS, Buckets, Fields, Traced, counter, floats, histogram
from telemetry.processors.tables import Table

__all__ = ["BOUNDS", "NAMES", "Mode", "Override", "Standard", "bare_metrics", "base_labels", "standard_tables"]

# Envoy's default histogram bounds, which Istio leaves as they are; milliseconds or bytes.
BOUNDS = np.array(
    [
        0.5,
        1,
        5,
        10,
        25,
        50,
        100,
        250,
        500,
        1000,
        2500,
        5000,
        10_000,
        30_000,
        60_000,
        300_000,
        600_000,
        1_800_000,
        3_600_000,
    ]
)

NAMES: Mapping[str, str] = {
    "REQUEST_COUNT": "istio_requests_total",
    "REQUEST_DURATION": "istio_request_duration_milliseconds",
    "REQUEST_SIZE": "istio_request_bytes",
    "RESPONSE_SIZE": "istio_response_bytes",
    "TCP_OPENED_CONNECTIONS": "istio_tcp_connections_opened_total",
    "TCP_CLOSED_CONNECTIONS": "istio_tcp_connections_closed_total",
    "TCP_SENT_BYTES": "istio_tcp_sent_bytes_total",
    "TCP_RECEIVED_BYTES": "istio_tcp_received_bytes_total",
    # Not in access logs: named, so that what was written for Istio can be taken over.
    "GRPC_REQUEST_MESSAGES": "istio_request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "istio_response_messages_total",
}
"""The metrics by the names that Istio's Telemetry API has for them."""
_IS_TCP = pl.col("context.protocol") == "tcp"


class Mode(StrEnum):
    """Who reported: Istio's words for outbound, and for all else."""

    CLIENT = "CLIENT"
    SERVER = "SERVER"


_SIDE = {
    Mode.CLIENT: pl.col("context.reporter.kind").eq_missing("outbound"),
    Mode.SERVER: pl.col("context.reporter.kind").ne_missing("outbound"),
}


@dataclass(frozen=True, slots=True)
class Override:
    """One change. Later ones win over earlier ones, label by label.

    `metrics`: keys of NAMES. `disabled`: None leaves it as it is. `labels`: CEL by label, None removes the label.
    """

    metrics: frozenset[str]
    modes: frozenset[Mode] = frozenset(Mode)
    disabled: bool | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standard:
    """What there is of the standard metrics. `scale`: of exponential histograms, None for none."""

    overrides: Sequence[Override] = ()
    explicit: bool = True
    scale: int | None = None

    @property
    def buckets(self) -> Buckets:
        """How histograms are told."""
        return Buckets(BOUNDS if self.explicit else np.empty(0), self.scale)


@dataclass(frozen=True, slots=True)
class _Metric:
    """`fields` gives the columns of its rows; `uses`: what it looks at."""

    fields: Callable[[str, pl.DataFrame, Groups, Traced, Buckets], Fields]
    uses: frozenset[str]


def _requests(name: str, rows: pl.DataFrame, groups: Groups, traced: Traced, _: Buckets) -> Fields:
    return counter(name, "1", groups.count(), traced.exemplars(np.ones(len(rows))))


def _durations(name: str, rows: pl.DataFrame, groups: Groups, traced: Traced, buckets: Buckets) -> Fields:
    lasted = pl.when(~pl.col("latency.excluded").fill_null(value=False)).then("response.duration")
    # Whole milliseconds, as Istio reports them, where there are Istio's buckets.
    whole = lasted.dt.total_milliseconds() if len(buckets.bounds) else lasted.dt.total_nanoseconds() / 1e6
    return histogram(name, "ms", rows.select(whole).to_series(), groups, traced, buckets=buckets)


def _sizes(column: str) -> _Metric:
    def fields(name: str, rows: pl.DataFrame, groups: Groups, traced: Traced, buckets: Buckets) -> Fields:
        return histogram(name, "By", rows[column], groups, traced, buckets=buckets)

    return _Metric(fields, EXEMPLAR_READS | {column})


def _opened(name: str, rows: pl.DataFrame, groups: Groups, *_: object) -> Fields:
    return counter(name, "1", groups.count(rows["connection.opened"].fill_null(value=False).to_numpy()))


def _closed(name: str, rows: pl.DataFrame, groups: Groups, *_: object) -> Fields:
    return counter(name, "1", groups.count((rows["connection.event"] == "close").to_numpy()))


def _carried(column: str) -> _Metric:
    def fields(name: str, rows: pl.DataFrame, groups: Groups, *_: object) -> Fields:
        return counter(name, "By", groups.sum(floats(rows[column])))

    return _Metric(fields, frozenset({column}))


_HTTP: Mapping[str, _Metric] = {
    "REQUEST_COUNT": _Metric(_requests, EXEMPLAR_READS),
    "REQUEST_DURATION": _Metric(_durations, EXEMPLAR_READS | {"response.duration", "latency.excluded"}),
    "REQUEST_SIZE": _sizes("request.total_size"),
    "RESPONSE_SIZE": _sizes("response.total_size"),
}
_TCP: Mapping[str, _Metric] = {
    "TCP_OPENED_CONNECTIONS": _Metric(_opened, frozenset({"connection.opened"})),
    "TCP_CLOSED_CONNECTIONS": _Metric(_closed, frozenset({"connection.event"})),
    "TCP_SENT_BYTES": _carried("connection.sent.bytes"),
    "TCP_RECEIVED_BYTES": _carried("connection.received.bytes"),
}

_Changes = tuple[tuple[str, str | None], ...]


def standard_tables(standard: Standard, ignored: pl.Expr | None = None) -> Iterator[Table]:
    """Give the tables; metrics with the same labels share one. `ignored`: requests that don't count."""
    counts = pl.col("request.counts") & ~_IS_TCP
    http = counts if ignored is None else counts & ~ignored
    tcp = _IS_TCP & pl.col("connection.event").is_not_null()
    for rows, labels, metrics in ((http, HTTP_LABELS, _HTTP), (tcp, TCP_LABELS, _TCP)):
        for changes, modes, names in _alike(standard.overrides, metrics, labels):
            side = rows if len(modes) == len(Mode) else rows & _SIDE[modes[0]]
            chosen = {NAMES[name]: metrics[name] for name in names}
            uses = frozenset[str]().union(*(metric.uses for metric in chosen.values()))
            points = partial(_points, chosen, standard.buckets)
            yield Table(side, _changed(labels, changes), points, uses | EXEMPLAR_READS, whole=not changes)


def _points(metrics: Mapping[str, _Metric], buckets: Buckets, rows: pl.DataFrame, groups: Groups) -> Iterator[Fields]:
    traced = Traced(rows, groups)
    yield from (metric.fields(name, rows, groups, traced, buckets) for name, metric in metrics.items())


def base_labels(metrics: frozenset[str]) -> tuple[str, ...]:
    """Give the labels that these metrics (keys of NAMES) have before any change."""
    return tuple(HTTP_LABELS) if not metrics <= _TCP.keys() else tuple(TCP_LABELS)


def bare_metrics(overrides: Sequence[Override]) -> Iterator[str]:
    """Give the metrics (keys of NAMES) that would be made without any label."""
    for metrics, labels in ((_HTTP, HTTP_LABELS), (_TCP, TCP_LABELS)):
        for metric in metrics:
            changes = (_changes(overrides, metric, mode, labels) for mode in Mode)
            if any(change is not None and not _names(labels, change) for change in changes):
                yield metric


def _names(labels: Collection[str], changes: _Changes) -> set[str]:
    removed = {name for name, text in changes if text is None}
    return set(labels) - removed | {name for name, _ in changes} - removed


def _alike(
    overrides: Sequence[Override], metrics: Collection[str], labels: Mapping[str, pl.Expr]
) -> Iterator[tuple[_Changes, tuple[Mode, ...], tuple[str, ...]]]:
    """Put together what has the same labels: changes, modes, metrics. Both modes at once where they agree."""
    found: dict[_Changes, dict[Mode, tuple[str, ...]]] = {}
    for mode in Mode:
        for metric in metrics:
            if (changes := _changes(overrides, metric, mode, labels)) is not None:
                by_mode = found.setdefault(changes, {})
                by_mode[mode] = (*by_mode.get(mode, ()), metric)
    for changes, by_mode in found.items():
        if len(by_mode) == len(Mode) and len(set(by_mode.values())) == 1:
            yield changes, tuple(Mode), by_mode[Mode.CLIENT]
        else:
            yield from ((changes, (mode,), names) for mode, names in by_mode.items())


def _changes(overrides: Sequence[Override], metric: str, mode: Mode, labels: Mapping[str, pl.Expr]) -> _Changes | None:
    """Give what is changed of a metric's labels; None when it is disabled."""
    disabled = False
    changed: dict[str, str | None] = {}
    for override in overrides:
        if metric in override.metrics and mode in override.modes:
            disabled = disabled if override.disabled is None else override.disabled
            changed.update(override.labels)
    felt = {name: text for name, text in changed.items() if text is not None or name in labels}
    return None if disabled else tuple(sorted(felt.items(), key=lambda change: change[0]))


def _changed(labels: Mapping[str, pl.Expr], changes: _Changes) -> dict[str, pl.Expr]:
    changed = dict(labels)
    for name, text in changes:
        if text is None:
            del changed[name]
        else:
            changed[name] = label_of(text)
    return changed
