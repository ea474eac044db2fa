"""gRPC's status codes as OpenTelemetry writes and judges them."""

__all__ = ["SERVER_ERRORS", "STATUS_NAMES"]

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, by number.
STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)

SERVER_ERRORS = (2, 4, 12, 13, 14, 15)
"""What makes an error of a server's span (of a client's: all but OK), by number."""
