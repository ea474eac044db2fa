"""gRPC: recognising it, and finding its status where Envoy looks for it."""

import polars as pl

__all__ = ["is_grpc", "status"]

# Envoy's Grpc::Utility::httpToGrpcStatus; all other codes are UNKNOWN (2).
_OF_HTTP_CODE = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_UNKNOWN = 2

# A gRPC path by its shape: a package-qualified service and a method.
_SHAPE = r"^/[A-Za-z_]\w*(\.\w+)+/\w+$"
_HTTP2 = 3
_POST = 3


def is_grpc() -> pl.Expr:
    """Tell by content type, as Istio does; by shape (POST, HTTP/2, /pkg.Service/Method) where that isn't logged."""
    content_type = pl.col("request_headers.content-type")
    named = (content_type == "application/grpc") | content_type.str.starts_with("application/grpc+")
    untold = content_type.is_null() & (pl.col("protocol_version") == _HTTP2) & (pl.col("request_method") == _POST)
    # Null is not matched, which is slow.
    shaped = pl.when(untold).then("path").str.contains(_SHAPE)
    return pl.coalesce(named, shaped, pl.lit(value=False))


def status() -> pl.Expr:
    """Give the status in Envoy's order: trailers, headers, else from the HTTP code.

    A 200 without either is null: trailers were not logged, and nothing tells success from failure.
    """
    code = pl.col("response_code")
    from_code = (
        pl.when(code == 200)
        .then(None)
        .otherwise(code.replace_strict(_OF_HTTP_CODE, default=_UNKNOWN, return_dtype=pl.UInt8))
    )
    return pl.coalesce(
        pl.col("response_trailers.grpc-status").cast(pl.UInt8, strict=False),
        pl.col("response_headers.grpc-status").cast(pl.UInt8, strict=False),
        pl.when(code.is_not_null()).then(from_code),
    )
