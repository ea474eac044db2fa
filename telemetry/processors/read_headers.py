"""Which headers attributes are made of: these become columns, all others stay in the lists for expressions."""

from collections.abc import Sequence

__all__ = ["READ", "to_read"]

READ = frozenset(
    {
        ":method", "content-type", "grpc-status", "grpc-message", "traceparent", "tracestate", "b3", "x-b3-traceid",
        "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
    }
)  # fmt: skip
"""In lower case, of requests, responses and trailers."""


def to_read(headers: Sequence[str]) -> tuple[str, ...]:
    """Give those of the headers that Envoys are to log which the decoder is to make columns of.

    A column's header is no longer in request.headers, where `request.headers["x-team"]` looks for it.
    """
    return tuple(header for header in headers if header in READ)
