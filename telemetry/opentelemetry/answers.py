"""What a sink's answer means: taken, taken in part, later, never, or too much at a time.

https://opentelemetry.io/docs/specs/otlp/#failures (v1.9). Where the specification calls a code not retryable, and it
may as well be the operator's mistake as the data's, we try again: only what is listed here costs rows.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from telemetry.errors import ExportError, Rejected, Retry, TooLarge
from telemetry.opentelemetry.target import Signal
from telemetry.outgoing.answers import LONGEST_PAUSE_S, retry_after_s, shown

__all__ = [
    "MAX_ANSWER_BYTES",
    "grpc_error",
    "http_error",
    "partial_success",
    "reason_of",
]

MAX_ANSWER_BYTES = 64 * 1024
"""No answer is read further: a partial success is a number and a sentence."""

_RESPONSES: Mapping[Signal, tuple[Any, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
}
_CODE = grpc.StatusCode
_PERMANENT = {
    _CODE.INVALID_ARGUMENT: "the sink finds the request malformed",
    _CODE.ALREADY_EXISTS: "the sink says that it has it",
}
_OPERATOR = {
    # Also what gRPC makes of HTTP's 404, when an ingress or a wrong port answers.
    _CODE.UNIMPLEMENTED: "nothing takes this signal there; check the endpoint and the Collector's pipelines, or leave "
    "the template out of the handler's rules",
    # By gRPC's definition somebody must mend the sink's state first; then it takes the same request.
    _CODE.FAILED_PRECONDITION: "the sink's state forbids it; look at the sink",
    _CODE.UNAUTHENTICATED: "the sink does not accept our credentials; check the headers and the client certificate",
    _CODE.PERMISSION_DENIED: "the sink forbids it to our credentials; check what they may do",
}
_HTTP_PERMANENT = {400: "the sink finds the request malformed", 422: "the sink finds the request malformed"}
_HTTP_OPERATOR = {
    401: _OPERATOR[_CODE.UNAUTHENTICATED],
    403: _OPERATOR[_CODE.PERMISSION_DENIED],
    404: "nothing takes OTLP at this URL; check the endpoint",
    415: "the sink does not take this encoding; check protocol and compression",
}


def partial_success(signal: Signal, answer: bytes) -> tuple[int, str]:
    """Give how many records the sink refused of those it took, and why. Raises Retry when that is no answer to OTLP."""
    kind, counted = _RESPONSES[signal]
    try:
        partial = kind.FromString(answer).partial_success
    except DecodeError:
        raise Retry(f"otlp: what answers is no OTLP sink ({len(answer)} bytes of something else)") from None
    return max(0, getattr(partial, counted)), shown(partial.error_message)


def grpc_error(code: grpc.StatusCode, details: str, status: bytes) -> ExportError:
    """Judge a gRPC failure. `status`: the trailer grpc-status-details-bin, which may hold a RetryInfo."""
    said = f"otlp: {code.name}: {shown(details)}"
    if code is _CODE.RESOURCE_EXHAUSTED and "larger than max" in details:
        # Our own limit on answers speaks likewise.
        return Retry(f"{said}; it answers too much") if "CLIENT:" in details else TooLarge(_smaller(said))
    if code in _PERMANENT:
        return Rejected(f"{said}: {_PERMANENT[code]}")
    advice = f"; {_OPERATOR[code]}" if code in _OPERATOR else ""
    return Retry(said + advice, _retry_info_s(status))


def http_error(code: int, reason: str, retry_after: str, now_s: float) -> ExportError:
    """Judge an HTTP status that is not 200. `reason`: what the body says, if it does."""
    said = f"otlp: HTTP {code}" + (f": {shown(reason)}" if reason else "")
    if code == 413:
        return TooLarge(_smaller(said))
    if code in _HTTP_PERMANENT:
        return Rejected(f"{said}: {_HTTP_PERMANENT[code]}")
    advice = f"; {_HTTP_OPERATOR[code]}" if code in _HTTP_OPERATOR else ""
    if 300 <= code < 400:
        advice = "; redirects are not followed: set the endpoint to where it points"
    return Retry(said + advice, retry_after_s(retry_after, now_s))


def reason_of(body: bytes) -> str:
    """Read the message out of a failure's body, a google.rpc.Status; nothing where it is none."""
    try:
        return str(Status.FromString(body).message)
    except DecodeError:
        return ""


def _smaller(said: str) -> str:
    return f"{said}; the sink takes less at a time: lower max_request_bytes, or raise the sink's limit"


def _retry_info_s(status: bytes) -> float | None:
    try:
        details = Status.FromString(status).details
    except DecodeError:
        return None
    info = RetryInfo()
    for one in details:
        if one.Is(RetryInfo.DESCRIPTOR) and one.Unpack(info):
            delay = info.retry_delay
            return float(min(max(0.0, delay.seconds + delay.nanos / 1e9), LONGEST_PAUSE_S))
    return None
