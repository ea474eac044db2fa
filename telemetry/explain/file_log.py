"""Envoy's file access logs, as JSON objects or default text lines: back into the entry they were printed from."""

import re
from collections.abc import Mapping
from typing import Any

from telemetry.processors.flags import SHORT_NAMES

__all__ = ["entry_of_fields", "fields_of_line", "is_file_log"]

# https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string
_LINE = re.compile(
    r'\[(?P<start_time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<protocol>[^"]+)" (?P<response_code>\S+) '
    r"(?P<response_flags>\S+) (?P<bytes_received>\S+) (?P<bytes_sent>\S+) (?P<duration>\S+) (?P<service_time>\S+) "
    r'"(?P<x_forwarded_for>[^"]*)" "(?P<user_agent>[^"]*)" "(?P<request_id>[^"]*)" "(?P<authority>[^"]*)" '
    r'"(?P<upstream_host>[^"]*)"'
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
_PROTOCOLS = {"HTTP/1.0": "HTTP10", "HTTP/1.1": "HTTP11", "HTTP/2": "HTTP2", "HTTP/3": "HTTP3"}
# Istio's JSON log has these keys, and most logs of others: they are Envoy's command operators in lower case.
_KEYS = frozenset({"response_code", "response_flags", "upstream_cluster", "start_time", "bytes_received"})

Fields = Mapping[str, Any]
Json = dict[str, Any]


def is_file_log(fields: Fields) -> bool:
    """Whether an object looks like a file log's: at least two of the keys that all of them have."""
    return len(_KEYS & {key.lower() for key in fields}) >= 2


def fields_of_line(line: str) -> Fields | None:
    """Read a line in Envoy's default text format; None when it isn't."""
    match = _LINE.match(line)
    return match.groupdict() if match else None


def entry_of_fields(fields: Fields) -> Json:
    """Give the HTTPAccessLogEntry, in protobuf's JSON form, that these fields were printed from."""
    said = {key.lower(): str(value) for key, value in fields.items() if value not in {None, "", "-"}}
    request = _present({
        "requestMethod": said.get("method") if said.get("method") in _METHODS else None,
        "path": said.get("path"),
        "authority": said.get("authority"),
        "userAgent": said.get("user_agent"),
        "forwardedFor": said.get("x_forwarded_for"),
        "requestId": said.get("request_id"),
        "requestBodyBytes": said.get("bytes_received"),
    })  # fmt: skip
    response = _present({
        "responseCode": _code(said.get("response_code")),
        "responseCodeDetails": said.get("response_code_details"),
        "responseBodyBytes": said.get("bytes_sent"),
    })  # fmt: skip
    return {
        "commonProperties": _common(said),
        "protocolVersion": _PROTOCOLS.get(said.get("protocol", ""), "PROTOCOL_UNSPECIFIED"),
        "request": request,
        "response": response,
    }


def _common(said: Mapping[str, str]) -> Json:
    return _present({
        "startTime": said.get("start_time"),
        "duration": f"{float(said['duration']) / 1000:.9f}s" if "duration" in said else None,
        "upstreamCluster": said.get("upstream_cluster"),
        "routeName": said.get("route_name"),
        "upstreamRemoteAddress": _address(said.get("upstream_host")),
        "upstreamLocalAddress": _address(said.get("upstream_local_address")),
        "downstreamLocalAddress": _address(said.get("downstream_local_address")),
        "downstreamRemoteAddress": _address(said.get("downstream_remote_address")),
        "downstreamDirectRemoteAddress": _address(
            said.get("downstream_direct_remote_address", said.get("downstream_remote_address"))
        ),
        "upstreamTransportFailureReason": said.get("upstream_transport_failure_reason"),
        "connectionTerminationDetails": said.get("connection_termination_details"),
        "tlsProperties": _present({"tlsSniHostname": said.get("requested_server_name")}) or None,
        "responseFlags": _flags(said.get("response_flags", "")),
        "upstreamRequestAttemptCount": said.get("upstream_request_attempt_count"),
        # A file log has a line for each request that ended.
        "accessLogType": "DownstreamEnd",
    })  # fmt: skip


def _present(fields: Json) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def _code(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and text != "0" else None


def _address(text: str | None) -> Json | None:
    host, colon, port = (text or "").rpartition(":")
    if not colon or not port.isdecimal():
        return None
    return {"socketAddress": {"address": host.strip("[]"), "portValue": int(port)}}


def _flags(text: str) -> Json | None:
    """Give the flags as field numbers (a message's JSON form wants names, which forms.py knows)."""
    numbers = [SHORT_NAMES.index(name) + 1 for name in text.split(",") if name in SHORT_NAMES]
    return {"numbers": numbers} if numbers else None
