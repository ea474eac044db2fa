"""The labels of Istio's standard metrics, from the vocabulary (istio/proxy, istio_stats; order as there)."""

import polars as pl

__all__ = ["HTTP_LABELS", "TCP_LABELS"]

_REPORTERS = {"inbound": "destination", "outbound": "source", "waypoint": "waypoint"}


def _or_unknown(attribute: str) -> pl.Expr:
    return pl.col(attribute).fill_null("unknown")


def _peer(side: str) -> dict[str, pl.Expr]:
    return {
        f"{side}_workload": _or_unknown(f"{side}.workload.name"),
        f"{side}_canonical_service": _or_unknown(f"{side}.canonical.service"),
        f"{side}_canonical_revision": pl.col(f"{side}.canonical.revision").fill_null("latest"),
        f"{side}_workload_namespace": _or_unknown(f"{side}.workload.namespace"),
        f"{side}_principal": _or_unknown(f"{side}.principal"),
        f"{side}_app": _or_unknown(f"{side}.app"),
        f"{side}_version": _or_unknown(f"{side}.version"),
        f"{side}_cluster": _or_unknown(f"{side}.cluster.id"),
    }


TCP_LABELS: dict[str, pl.Expr] = {
    "reporter": pl.col("context.reporter.kind").replace_strict(_REPORTERS, return_dtype=pl.String),
    **_peer("source"),
    **_peer("destination"),
    "destination_service": _or_unknown("destination.service.host"),
    "destination_service_name": _or_unknown("destination.service.name"),
    "destination_service_namespace": _or_unknown("destination.service.namespace"),
    "request_protocol": pl.col("context.protocol"),
    "response_flags": pl.col("context.proxy_error_code"),
    "connection_security_policy": pl.col("connection.security_policy"),
}

HTTP_LABELS: dict[str, pl.Expr] = {
    **TCP_LABELS,
    "response_code": pl.col("response.code").fill_null(0).cast(pl.String),
    "grpc_response_status": pl.col("response.grpc_status").cast(pl.String).fill_null(""),
}
