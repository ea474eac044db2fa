"""The decoder's table in plain Python over protobuf's own classes: what telemetry.native must equal.

Slow, and easy to compare with docs/columns.md line by line. Knows nothing of bytes that protobuf refuses.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envoy.config.core.v3.address_pb2 import Address
from envoy.data.accesslog.v3 import accesslog_pb2 as als
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.struct_pb2 import ListValue, Struct, Value

Row = dict[str, Any]
INT64 = range(-(2**63) + 1, 2**63)
ADDRESSES = ("downstream_remote", "downstream_local", "upstream_remote", "upstream_local", "downstream_direct_remote")
TIMES = (
    "start_time",
    "time_to_last_rx_byte",
    "time_to_first_upstream_tx_byte",
    "time_to_last_upstream_tx_byte",
    "time_to_first_upstream_rx_byte",
    "time_to_last_upstream_rx_byte",
    "time_to_first_downstream_tx_byte",
    "time_to_last_downstream_tx_byte",
    "duration",
)


@dataclass(frozen=True)
class Asked:
    """Map keys that get a column of their own."""

    request_headers: Sequence[str] = ()
    response_headers: Sequence[str] = ()
    response_trailers: Sequence[str] = ()
    filter_state: Sequence[str] = ()


@dataclass
class Expected:
    """What telemetry.native should make of some messages."""

    rows: list[Row] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)


def decode(messages: Iterable[StreamAccessLogsMessage], nodes: Iterable[int], asked: Asked) -> Expected:
    expected = Expected()
    for message, node in zip(messages, nodes, strict=True):
        for entry in (*message.http_logs.log_entry, *message.tcp_logs.log_entry):
            if entry.HasField("common_properties"):
                row = {"node": node, **row_of(entry, asked)}
                expected.repaired["time_out_of_range"] += row.pop("time_out_of_range")
                expected.rows.append(row)
            else:
                expected.rejected["no_common_properties"] += 1
    return expected


def row_of(entry: als.HTTPAccessLogEntry | als.TCPAccessLogEntry, asked: Asked) -> Row:
    tcp = isinstance(entry, als.TCPAccessLogEntry)
    http = als.HTTPAccessLogEntry() if tcp else entry
    connection = entry.connection_properties if tcp and entry.HasField("connection_properties") else None
    return {
        "tcp": tcp,
        **common(entry.common_properties, asked),
        "received_bytes": connection and connection.received_bytes,
        "sent_bytes": connection and connection.sent_bytes,
        "protocol_version": None if tcp else entry.protocol_version,
        **request(http, asked),
        **response(http, asked),
    }


def common(it: als.AccessLogCommon, asked: Asked) -> Row:
    row: Row = {"sample_rate": it.sample_rate or None}
    for name in ADDRESSES:
        row[f"{name}_address"], row[f"{name}_port"] = address(it, f"{name}_address")
    row |= tls(it.tls_properties if it.HasField("tls_properties") else None)
    row |= times(it)
    for name in ("upstream_cluster", "route_name"):
        row[name] = getattr(it, name) or None
    row["response_flags"], row["unauthorized_reason"] = response_flags(it.response_flags)
    namespaces = {name: struct(value) for name, value in it.metadata.filter_metadata.items()}
    row["dynamic_metadata"] = namespaces or None
    row["typed_dynamic_metadata"] = objects(it.metadata.typed_filter_metadata)
    for name in ("upstream_transport_failure_reason", "downstream_transport_failure_reason"):
        row[name] = getattr(it, name) or None
    row["connection_termination_details"] = it.connection_termination_details or None
    for key in asked.filter_state:
        state = it.filter_state_objects
        row[f"filter_state.{key}"] = state[key].SerializeToString(deterministic=True) if key in state else None
    row["filter_state_objects"] = objects(it.filter_state_objects, asked.filter_state)
    row["custom_tags"] = pairs(it.custom_tags)
    row["upstream_request_attempt_count"] = it.upstream_request_attempt_count
    row["stream_id"] = it.stream_id or None
    row["intermediate_log_entry"] = it.intermediate_log_entry
    for direction in ("downstream", "upstream"):
        for done in ("sent", "received"):
            row[f"{direction}_wire_bytes_{done}"] = getattr(it, f"{direction}_wire_bytes_{done}")
    row["access_log_type"] = it.access_log_type
    return row


def address(it: als.AccessLogCommon, name: str) -> tuple[str | None, int | None]:
    found: Address = getattr(it, name)
    match found.WhichOneof("address"):
        case "socket_address" if found.socket_address.WhichOneof("port_specifier") == "named_port":
            return f"{found.socket_address.address}:{found.socket_address.named_port}", None
        case "socket_address":
            return found.socket_address.address or None, found.socket_address.port_value
        case "pipe":
            return found.pipe.path or None, None
        case "envoy_internal_address":
            internal = found.envoy_internal_address
            return f"envoy://{internal.server_listener_name}/{internal.endpoint_id}", None
    return None, None


def tls(it: als.TLSProperties | None) -> Row:
    known = it or als.TLSProperties()
    row: Row = {
        "tls_version": it and (it.tls_version if it.tls_version in range(256) else None),
        "tls_cipher_suite": known.tls_cipher_suite.value if known.HasField("tls_cipher_suite") else None,
        "tls_sni_hostname": known.tls_sni_hostname or None,
        "tls_session_id": known.tls_session_id or None,
        "tls_ja3_fingerprint": known.ja3_fingerprint or None,
    }
    for end in ("local", "peer"):
        certificate = getattr(known, f"{end}_certificate_properties")
        names = certificate.subject_alt_name
        row[f"tls_{end}_uri_sans"] = ",".join(n.uri for n in names if n.WhichOneof("san") == "uri") or None
        row[f"tls_{end}_dns_sans"] = ",".join(n.dns for n in names if n.WhichOneof("san") == "dns") or None
        row[f"tls_{end}_subject"] = certificate.subject or None
        row[f"tls_{end}_issuer"] = certificate.issuer or None
    return row


def times(it: als.AccessLogCommon) -> Row:
    row: Row = {"time_out_of_range": False}
    for name in TIMES:
        row[f"{name}_ns"] = None
        if it.HasField(name):
            time = getattr(it, name)
            ns = time.seconds * 10**9 + time.nanos
            row["time_out_of_range"] |= ns not in INT64
            row[f"{name}_ns"] = ns if ns in INT64 else None
    return row


def response_flags(it: als.ResponseFlags) -> tuple[int, int | None]:
    # ListFields gives what is set: bools that are true, and the one message if it is there.
    flags = sum(1 << (descriptor.number - 1) for descriptor, _ in it.ListFields())
    return flags, it.unauthorized_details.reason if it.HasField("unauthorized_details") else None


def request(it: als.HTTPAccessLogEntry, asked: Asked) -> Row:
    there, known = it.HasField("request"), it.request
    row: Row = {name: getattr(known, name) or None for name in ("scheme", "authority", "path", "user_agent")}
    row |= {name: getattr(known, name) or None for name in ("referer", "forwarded_for", "request_id", "original_path")}
    row["port"] = known.port.value if known.HasField("port") else None
    numbers = (
        "request_method",
        "request_headers_bytes",
        "request_body_bytes",
        "upstream_header_bytes_sent",
        "downstream_header_bytes_received",
    )
    row |= {name: getattr(known, name) if there else None for name in numbers}
    return row | headers("request_headers", known.request_headers, asked.request_headers)


def response(it: als.HTTPAccessLogEntry, asked: Asked) -> Row:
    there, known = it.HasField("response"), it.response
    numbers = (
        "response_headers_bytes",
        "response_body_bytes",
        "upstream_header_bytes_received",
        "downstream_header_bytes_sent",
    )
    return {
        "response_code": known.response_code.value if known.HasField("response_code") else None,
        **{name: getattr(known, name) if there else None for name in numbers},
        **headers("response_headers", known.response_headers, asked.response_headers),
        **headers("response_trailers", known.response_trailers, asked.response_trailers),
        "response_code_details": known.response_code_details or None,
    }


def headers(column: str, it: Mapping[str, str], asked: Sequence[str]) -> Row:
    named = {f"{column}.{name}": it[name] or None if name in it else None for name in asked}
    return {**named, column: pairs(it, asked)}


def pairs(it: Mapping[str, str], asked: Sequence[str] = ()) -> list[Row] | None:
    return [{"key": key, "value": it[key]} for key in others(it, asked)] or None


def objects(it: Mapping[str, Any], asked: Sequence[str] = ()) -> list[Row] | None:
    return [{"key": key, "type_url": it[key].type_url, "value": it[key].value} for key in others(it, asked)] or None


def others(it: Mapping[str, Any], asked: Sequence[str]) -> Iterator[str]:
    """Give the keys nobody asked for, sorted, since protobuf's classes forget the order of the wire."""
    return (key for key in sorted(it) if key not in asked)


def struct(it: Struct) -> dict[str, Any]:
    return {key: value(field) for key, field in it.fields.items()}


def value(it: Value) -> Any:
    match it.WhichOneof("kind"):
        case "number_value" if math.isnan(it.number_value):
            return "NaN"
        case "number_value" if math.isinf(it.number_value):
            return "Infinity" if it.number_value > 0 else "-Infinity"
        case "struct_value":
            return struct(it.struct_value)
        case "list_value":
            return values(it.list_value)
        case None | "null_value":
            return None
        case kind:
            return getattr(it, kind)


def values(it: ListValue) -> list[Any]:
    return [value(item) for item in it.values]


def comparable(row: Row) -> Row:
    """Open the decoder's JSON, and sort its lists by key: protobuf's classes forget the order of the wire."""
    text = row["dynamic_metadata"]
    lists = {name: sorted(it, key=lambda item: item["key"]) for name, it in row.items() if isinstance(it, list)}
    return {**row, **lists, "dynamic_metadata": None if text is None else json.loads(text)}
