"""Why entries are missing, as far as an Envoy's counters and our own tell."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["EXPLANATIONS", "TOLERANCE", "Counts", "Reason", "reasons"]

TOLERANCE = 0.001
"""A share of requests that may be missing, or too many, without a reason: moments that don't quite agree."""

EXPLANATIONS = {
    "no_metrics": (
        "these Envoys send no metrics, so nobody knows what their logs leave out: add the stats sink of "
        "`telemetry generate`, with node_id among receiver.metrics' identity labels"
    ),
    "no_access_log": "no access logger writes to us: add the one of `telemetry generate` to every listener",
    "not_logged": "the loggers never took them: an access log filter, or a listener without a logger",
    "logs_dropped": "Envoy dropped entries because we, or the network, took them too slowly: see our CPU and journal",
    "sink_unreachable": "Envoy could not connect to us, and then loses entries uncounted: see address, network and TLS",
    "sink_connection_lost": "the connection ended while entries were under way: restarts of ours, proxies in between",
    "refused_here": "we could not use what came: telemetry_receiver_rejected_total and _refused_total say why",
    "counted_twice": (
        "there are more entries than requests: several loggers for one request, or one node id for several Envoys"
    ),
    "unexplained": "no counter tells: lost between Envoy and us, or the Envoy's clock was set",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """`count`: entries, failures or messages, as `reason` has it; 0 where there is nothing to count."""

    reason: str
    count: float

    @property
    def explanation(self) -> str:
        """What it means, and what to do."""
        return EXPLANATIONS[self.reason]


@dataclass(frozen=True, slots=True)
class Counts:
    """What is known of some Envoys over the window. `refused_here`: by us, of whomever."""

    http_expected: float
    http_seen: float
    tcp_expected: float
    tcp_seen: float
    written: float
    dropped: float
    connect_failures: float
    broken_streams: float
    refused_here: float = 0.0


def reasons(counts: Counts) -> tuple[Reason, ...]:
    """Give every reason that there is, none where all was seen."""
    found = tuple(_of_more(counts))
    if not _fewer(counts.http_expected, counts.http_seen) and not _fewer(counts.tcp_expected, counts.tcp_seen):
        return found
    return (*found, *(tuple(_of_fewer(counts)) or (Reason("unexplained", _missing(counts)),)))


def _of_more(counts: Counts) -> Iterator[Reason]:
    more = max(counts.http_seen - counts.http_expected, counts.tcp_seen - counts.tcp_expected)
    if _fewer(counts.http_seen, counts.http_expected) or _fewer(counts.tcp_seen, counts.tcp_expected):
        yield Reason("counted_twice", more)


def _of_fewer(counts: Counts) -> Iterator[Reason]:
    logged = counts.written + counts.dropped
    # TCP entries are in no counter of the loggers.
    if counts.http_expected > 0 and not logged and not counts.http_seen:
        yield Reason("no_access_log", counts.http_expected)
    elif counts.tcp_expected > 0 and not counts.tcp_seen and not counts.connect_failures:
        yield Reason("no_access_log", counts.tcp_expected)
    # Without any the counter may be one that this Envoy does not send.
    if logged and _fewer(counts.http_expected, logged):
        yield Reason("not_logged", counts.http_expected - logged)
    for reason, count in (
        ("logs_dropped", counts.dropped),
        ("sink_unreachable", counts.connect_failures),
        ("sink_connection_lost", counts.broken_streams),
        ("refused_here", counts.refused_here),
    ):
        if count > 0:
            yield Reason(reason, count)


def _fewer(expected: float, seen: float) -> bool:
    return expected - seen > max(1.0, TOLERANCE * expected)


def _missing(counts: Counts) -> float:
    return max(counts.http_expected - counts.http_seen, 0.0) + max(counts.tcp_expected - counts.tcp_seen, 0.0)
