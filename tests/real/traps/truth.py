"""Our row of an entry against the line that Envoy wrote of the same."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

__all__ = ["TIMES", "TYPES", "agree", "times_known"]

# AccessLogType, as Envoy's formatter names it.
TYPES = (
    "NotSet", "TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd", "DownstreamStart", "DownstreamPeriodic",
    "DownstreamEnd", "UpstreamPoolReady", "UpstreamPeriodic", "UpstreamEnd", "DownstreamTunnelSuccessfullyEstablished",
    "UdpTunnelUpstreamConnected", "UdpPeriodic", "UdpSessionEnd", "TcpConnectionStart",
)  # fmt: skip

# The fields of AccessLogCommon by their number (envoy.md, section 1).
TIMES = {
    6: "time_to_last_rx_byte",
    7: "time_to_first_upstream_tx_byte",
    8: "time_to_last_upstream_tx_byte",
    9: "time_to_first_upstream_rx_byte",
    10: "time_to_last_upstream_rx_byte",
    11: "time_to_first_downstream_tx_byte",
    12: "time_to_last_downstream_tx_byte",
}

_FIELDS = (
    "listener", "type", "stream_id", "code", "flags", "attempts", "duration_ms", "received_bytes", "sent_bytes",
    "upstream_host",
)  # fmt: skip

Row = Mapping[str, Any]


def agree(rows: Sequence[Row], lines: Sequence[Row]) -> None:
    """Insist that each line has its row, by type and id, and that they say the same."""
    assert len(rows) == len(lines)
    for row, line in zip(sorted(rows, key=_of_row), sorted(lines, key=_of_line), strict=True):
        assert _told(row) == _written(line)


def times_known(row: Row) -> set[int]:
    """The numbers of the times that the row has."""
    return {number for number, name in TIMES.items() if row[f"envoy.{name}"] is not None}


def _of_row(row: Row) -> tuple[Any, ...]:
    return _key(_told(row))


def _of_line(line: Row) -> tuple[Any, ...]:
    return _key(_written(line))


def _key(told: Row) -> tuple[Any, ...]:
    return (told["listener"], told["type"], told["stream_id"] or "", told["received_bytes"], told["code"])


def _written(line: Row) -> Row:
    ended = line["type"] in {"DownstreamEnd", "TcpConnectionEnd", "UpstreamEnd", "NotSet"}
    # Envoy prints flags in the order in which they were set; access log streams lose it.
    flags = frozenset(line["flags"].split(",")) - {"-"}
    duration_ms = line["duration_ms"] if ended else None
    return {name: line[name] for name in _FIELDS} | {"flags": flags, "duration_ms": duration_ms}


def _told(row: Row) -> Row:
    duration: timedelta | None = row["response.duration"]
    upstream = f"{row['upstream.ip']}:{row['upstream.port']}" if row["upstream.ip"] else None
    return {
        "listener": row["context.log_name"],
        "type": TYPES[row["envoy.access_log_type"]],
        "stream_id": row["connection.id"],
        "code": row["response.code"] or 0,
        "flags": frozenset(row["context.proxy_error_code"].split(",")) - {"-"},
        "attempts": row["request.attempts"] or 0,
        "duration_ms": None if duration is None else duration // timedelta(milliseconds=1),
        "received_bytes": row["request.total_size"],
        "sent_bytes": row["response.total_size"],
        "upstream_host": upstream,
    }
