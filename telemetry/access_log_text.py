"""Envoy's access log format strings: compiled to one expression that writes a line of text for each LOGENTRY row."""

import re
from collections.abc import Callable, Mapping

import polars as pl

__all__ = ["DEFAULT_FORMAT", "line_expression"]

# https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#default-format-string
DEFAULT_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"'
)
_OPERATOR = re.compile(r"%([A-Z_0-9]+)(?:\(([^()]*)\))?(?::(\d{1,6}))?%|(%%)")
_MS_NS = 1_000_000
_COLUMNS = {
    "PROTOCOL": "request.protocol_version",
    "RESPONSE_CODE_DETAILS": "response.code_details",
    "RESPONSE_FLAGS": "context.proxy_error_code",
    "ROUTE_NAME": "route.name",
    "UPSTREAM_CLUSTER": "upstream.cluster",
    "UPSTREAM_CLUSTER_RAW": "upstream.cluster",
    "UPSTREAM_TRANSPORT_FAILURE_REASON": "upstream.failure_reason",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": "downstream.failure_reason",
    "CONNECTION_TERMINATION_DETAILS": "connection.termination_details",
    "REQUESTED_SERVER_NAME": "connection.requested_server_name",
    "STREAM_ID": "connection.id",
    "TRACE_ID": "trace.id",
    "DOWNSTREAM_PEER_SUBJECT": "connection.tls.peer_subject",
    "DOWNSTREAM_PEER_ISSUER": "connection.tls.peer_issuer",
}
_NUMBERS = {
    "RESPONSE_CODE": "response.code",
    "BYTES_RECEIVED": "request.size",
    "BYTES_SENT": "response.size",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": "request.attempts",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED": "request.total_size",
    "DOWNSTREAM_WIRE_BYTES_SENT": "response.total_size",
    "UPSTREAM_WIRE_BYTES_SENT": "upstream.sent.bytes",
    "UPSTREAM_WIRE_BYTES_RECEIVED": "upstream.received.bytes",
}
_ADDRESSES = {
    "UPSTREAM_HOST": "upstream",
    "UPSTREAM_REMOTE_ADDRESS": "upstream",
    "UPSTREAM_LOCAL_ADDRESS": "upstream.local",
    "DOWNSTREAM_LOCAL_ADDRESS": "downstream.local",
    "DOWNSTREAM_REMOTE_ADDRESS": "origin",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": "downstream",
}
_REQUEST_HEADERS = {
    ":method": "request.method",
    ":path": "request.path",
    "x-envoy-original-path": "request.path",
    ":authority": "request.host",
    ":scheme": "request.scheme",
    "user-agent": "request.useragent",
    "referer": "request.referer",
    "x-forwarded-for": "request.forwarded_for",
    "x-request-id": "request.id",
}
_SERVICE_TIME = "x-envoy-upstream-service-time"


def line_expression(text: str) -> pl.Expr:
    """Give the expression (String, never null) of a format string in Envoy's command operators.

    As in Envoy, what is absent is `-`, and a count 0. Raises ValueError for an operator that attributes don't carry.
    """
    parts: list[pl.Expr] = []
    end = 0
    for match in _OPERATOR.finditer(text):
        parts += [_literal(text[end : match.start()]), pl.lit("%") if match[4] else _operator(match)]
        end = match.end()
    return pl.concat_str(*parts, _literal(text[end:]))


def _literal(text: str) -> pl.Expr:
    if "%" in text:
        raise ValueError(f"{text!r} is not a command operator of Envoy's; write %% for a percent sign")
    return pl.lit(text)


def _operator(match: re.Match[str]) -> pl.Expr:
    name, argument, length = match[1], match[2], match[3]
    made = _value(name, argument)
    if length:
        made = made.str.head(int(length))
    return made.fill_null("-")


def _value(name: str, argument: str | None) -> pl.Expr:
    if name in _COLUMNS:
        return pl.col(_COLUMNS[name]).cast(pl.String)
    if name in _NUMBERS:
        return pl.col(_NUMBERS[name]).fill_null(0).cast(pl.String)
    if name in _ADDRESSES:
        return _address(_ADDRESSES[name])
    if name in _CALLS:
        return _CALLS[name](argument or "")
    known = ", ".join(sorted({*_COLUMNS, *_NUMBERS, *_ADDRESSES, *_CALLS}))
    raise ValueError(f"%{name}% can't be written from attributes; there are: {known}")


def _address(of: str) -> pl.Expr:
    ip, port = pl.col(f"{of}.ip"), pl.col(f"{of}.port").fill_null(0).cast(pl.String)
    return pl.when(ip.str.contains(":", literal=True)).then("[" + ip + "]:" + port).otherwise(ip + ":" + port)


def _start_time(pattern: str) -> pl.Expr:
    # Envoy's %3f is chrono's; what chrono does not know is an error at once.
    pattern = pattern or "%Y-%m-%dT%H:%M:%S.%3fZ"
    made = pl.col("request.time").dt.strftime(pattern)
    try:
        pl.DataFrame({"request.time": [0]}, schema={"request.time": pl.Datetime("ns")}).select(made)
    except (pl.exceptions.PolarsError, ValueError):
        raise ValueError(f"%START_TIME({pattern})%: not a format of time") from None
    return made


def _milliseconds(duration: pl.Expr) -> pl.Expr:
    return (duration.to_physical() // _MS_NS).cast(pl.String)


def _request_header(names: str) -> pl.Expr:
    return pl.coalesce([_header(name, "request.headers", _REQUEST_HEADERS) for name in names.split("?")])


def _response_header(names: str) -> pl.Expr:
    found = [_header(name, "response.headers", {}) for name in names.split("?")]
    if _SERVICE_TIME in names.lower().split("?"):
        # The header is mostly not logged; Envoy's router counts from the request's last byte to the response's first.
        waited = pl.col("envoy.time_to_first_upstream_rx_byte") - pl.col("envoy.time_to_last_rx_byte")
        found.append(_milliseconds(waited))
    return pl.coalesce(found)


def _header(name: str, column: str, known: Mapping[str, str]) -> pl.Expr:
    name = name.lower()
    if name in known:
        return pl.col(known[name])
    element = pl.element().filter(pl.element().struct.field("key") == name).struct.field("value")
    return pl.col(column).list.eval(element).list.first()


_CALLS: Mapping[str, Callable[[str], pl.Expr]] = {
    "START_TIME": _start_time,
    "DURATION": lambda _: _milliseconds(pl.col("response.duration")),
    "REQUEST_DURATION": lambda _: _milliseconds(pl.col("envoy.time_to_last_rx_byte")),
    "RESPONSE_DURATION": lambda _: _milliseconds(pl.col("envoy.time_to_first_upstream_rx_byte")),
    "REQ": _request_header,
    "RESP": _response_header,
}
