"""OpenTelemetry's semantic conventions, v1.44.0, as expressions over the columns of LOGENTRY and TRACESPAN rows.

https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs: http/http-spans.md, rpc/grpc.md,
resource/README.md, registry/attributes. Every expression is String, Int64 or Boolean, and null where the convention
has no value for the row.
"""

from collections.abc import Mapping

import polars as pl

from telemetry.batch import SPAN_KIND, SPAN_STATUS
from telemetry.opentelemetry.grpc import SERVER_ERRORS, STATUS_NAMES

__all__ = ["ATTRIBUTES", "ERROR_TYPE", "KIND", "NAME", "RESOURCE", "SCHEMA_URL", "STATUS"]

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
_TLS_VERSIONS = {1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3"}
_HTTP_VERSIONS = {"HTTP/1.0": "1.0", "HTTP/1.1": "1.1", "HTTP/2": "2", "HTTP/3": "3"}
_OTHER_OPERATION = "{other}"

_CLIENT = pl.col("context.reporter.kind").eq_missing("outbound")
_GRPC = pl.col("context.protocol") == "grpc"
_HTTP = pl.col("context.protocol") == "http"
_TCP = pl.col("context.protocol") == "tcp"


def _integer(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64)


def _on(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(value)


def _by_side(client: pl.Expr, server: pl.Expr) -> pl.Expr:
    return pl.when(_CLIENT).then(client).otherwise(server)


def _of_reporter(attribute: str) -> pl.Expr:
    """Give an attribute of the workload whose Envoy wrote the entry."""
    return _by_side(pl.col(f"source.{attribute}"), pl.col(f"destination.{attribute}"))


def _owner(kind: str) -> pl.Expr:
    """Give the controller's name where it is of that kind; metadata OWNER ends `…/namespaces/NS/<kind>s/NAME`."""
    return _of_reporter("owner").str.extract(f"/{kind}s/([^/]+)$")


_METHOD = (
    pl.when(pl.col("request.method").is_in(_METHODS))
    .then("request.method")
    .when(pl.col("request.method").is_not_null())
    .then(pl.lit("_OTHER"))
)
_TARGET = _on(pl.col("request.operation") != _OTHER_OPERATION, pl.col("request.operation"))
# What an OpenAPI document, a rule or learning named: `GET /users/{id}`, of which the route is the path.
_ROUTE = _TARGET.str.extract(r"^[A-Z_]+ (/.*)$")
_RPC_METHOD = _on(_GRPC, pl.coalesce(_TARGET, pl.col("request.url_path").str.strip_prefix("/")))
_RPC_STATUS = pl.col("response.grpc_status").replace_strict(
    dict(enumerate(STATUS_NAMES)),
    default=pl.col("response.grpc_status").cast(pl.String),
    return_dtype=pl.String,
)
_HOST = pl.col("request.host").str.extract(r"^(\[[^\]]*\]|[^:]*)").str.strip_chars("[]")
_PORT = pl.col("request.host").str.extract(r":(\d{1,5})$").cast(pl.Int64)
_DEFAULT_PORT = pl.col("request.scheme").replace_strict(
    {"http": 80, "https": 443}, default=None, return_dtype=pl.Int64
)  # fmt: skip
_PATH, _QUERY = (pl.col("request.path").str.splitn("?", 2).struct.field(f"field_{at}") for at in (0, 1))
_URL = pl.concat_str("request.scheme", pl.lit("://"), "request.host", "request.path")
_RESENT = _integer("request.attempts") - 1


def _failed() -> pl.Expr:
    """Whether the span's status is error: a server's only for what is its own fault, a client's for all that failed."""
    code, status = pl.col("response.code"), pl.col("response.grpc_status")
    by_grpc = _by_side(status != 0, status.is_in(SERVER_ERRORS) | (status >= len(STATUS_NAMES)))
    by_code = _by_side(code >= 400, code >= 500)
    # No response, one that was cut short, a connection that failed; a client that left is nobody's error.
    by_outcome = pl.col("response.outcome") == "server_error"
    answered = pl.when(_GRPC).then(pl.coalesce(by_grpc, by_code)).when(_HTTP).then(by_code)
    return answered.fill_null(value=False) | by_outcome.fill_null(value=False)


_FAILED = _failed()
_FLAGS = _on(pl.col("context.proxy_error_code") != "-", pl.col("context.proxy_error_code"))

ERROR_TYPE: pl.Expr = _on(
    _FAILED,
    pl.coalesce(
        _on(_GRPC & (pl.col("response.grpc_status") != 0), _RPC_STATUS),
        _on(pl.col("response.code") >= 400, pl.col("response.code").cast(pl.String)),
        _FLAGS,
        pl.lit("_OTHER"),
    ),
)
"""`error.type`: gRPC's status, else HTTP's code, else Envoy's flags; null where the status is not error."""

KIND: pl.Expr = _by_side(pl.lit("client"), pl.lit("server")).cast(SPAN_KIND)
"""`client` for what an outbound proxy reports (a gateway's too), else `server`."""

STATUS: pl.Expr = pl.when(_FAILED).then(pl.lit("error")).otherwise(pl.lit("unset")).cast(SPAN_STATUS)
"""Error: HTTP 5xx, and for clients 4xx; gRPC's server errors, and for clients all but OK; no whole response."""

NAME: pl.Expr = (
    pl.when(_GRPC)
    .then(pl.coalesce(_RPC_METHOD, pl.lit("grpc")))
    .when(_TCP)
    .then(pl.lit("tcp"))
    .otherwise(
        pl.concat_str(
            # Unknown methods are HTTP in a span's name.
            pl.coalesce(_on(_METHOD != "_OTHER", _METHOD), pl.lit("HTTP")),
            pl.coalesce(_ROUTE, _TARGET),
            separator=" ",
            ignore_nulls=True,
        )
    )
)
"""`{method} {route}`, else the method; gRPC's full method. Never a raw path."""

RESOURCE: Mapping[str, pl.Expr] = {
    "service.name": pl.coalesce(
        _of_reporter("canonical.service"), _of_reporter("workload.name"), pl.lit("unknown_service:envoy")
    ),
    "service.namespace": _of_reporter("workload.namespace"),
    "service.version": pl.coalesce(_of_reporter("version"), _of_reporter("canonical.revision")),
    "service.instance.id": pl.coalesce(_of_reporter("name"), pl.col("context.reporter.uid")),
    "k8s.cluster.name": _of_reporter("cluster.id"),
    "k8s.namespace.name": _of_reporter("namespace"),
    "k8s.pod.name": _of_reporter("name"),
    "k8s.deployment.name": _owner("deployment"),
    "k8s.statefulset.name": _owner("statefulset"),
    "k8s.daemonset.name": _owner("daemonset"),
    "k8s.job.name": _owner("job"),
    "k8s.cronjob.name": _owner("cronjob"),
}
"""Who speaks: the workload whose Envoy wrote the entry. Equal for all rows of one context.key."""

ATTRIBUTES: Mapping[str, pl.Expr] = {
    "http.request.method": _on(_HTTP, _METHOD),
    "http.request.method_original": _on(_HTTP & (_METHOD == "_OTHER"), pl.col("request.method")),
    "http.response.status_code": _on(_HTTP, _integer("response.code")),
    "http.route": _on(_HTTP & ~_CLIENT, _ROUTE),
    "url.template": _on(_HTTP & _CLIENT, _ROUTE),
    "http.request.resend_count": _on(_HTTP & _CLIENT & (pl.col("request.attempts") > 1), _RESENT),
    "http.request.body.size": _on(_HTTP, _integer("request.size")),
    "http.request.size": _on(_HTTP, _integer("request.total_size")),
    "http.response.body.size": _on(_HTTP, _integer("response.size")),
    "http.response.size": _on(_HTTP, _integer("response.total_size")),
    "rpc.system.name": _on(_GRPC, pl.lit("grpc")),
    "rpc.method": _RPC_METHOD,
    "rpc.response.status_code": _on(_GRPC, _RPC_STATUS),
    "error.type": ERROR_TYPE,
    "url.scheme": pl.col("request.scheme"),
    "url.path": _on(_HTTP, _PATH),
    "url.query": _on(_HTTP, _QUERY),
    "url.full": _on(_HTTP & _CLIENT, _URL),
    "server.address": pl.coalesce(
        _on(_HOST != "", _HOST), _by_side(pl.col("upstream.ip"), pl.col("downstream.local.ip"))
    ),
    "server.port": pl.coalesce(
        _PORT,
        _on(_HOST != "", _DEFAULT_PORT),
        _by_side(_integer("upstream.port"), _integer("downstream.local.port")),
    ),
    "client.address": _on(~_CLIENT, pl.col("origin.ip")),
    "network.peer.address": _by_side(pl.col("upstream.ip"), pl.col("downstream.ip")),
    "network.peer.port": _by_side(_integer("upstream.port"), _integer("downstream.port")),
    "network.local.address": _by_side(pl.col("upstream.local.ip"), pl.col("downstream.local.ip")),
    "network.local.port": _by_side(_integer("upstream.local.port"), _integer("downstream.local.port")),
    "network.transport": _on(_TCP, pl.lit("tcp")),
    # Envoy tells the version that its client speaks: of an outbound proxy that is not the hop's.
    "network.protocol.version": _on(
        ~_CLIENT,
        pl.col("request.protocol_version").replace_strict(_HTTP_VERSIONS, default=None, return_dtype=pl.String),
    ),
    "user_agent.original": pl.col("request.useragent"),
    "tls.protocol.name": _on(~_CLIENT & (pl.col("connection.tls.version") > 0), pl.lit("tls")),
    "tls.protocol.version": _on(
        ~_CLIENT,
        pl.col("connection.tls.version").replace_strict(_TLS_VERSIONS, default=None, return_dtype=pl.String),
    ),
    "tls.client.subject": pl.col("connection.tls.peer_subject"),
    "tls.client.issuer": pl.col("connection.tls.peer_issuer"),
    "tls.client.ja3": pl.col("connection.tls.ja3"),
    # What OpenTelemetry has no name for, as Envoy's own tracers call it.
    "component": pl.lit("proxy"),
    "node_id": pl.col("context.reporter.uid"),
    "guid:x-request-id": pl.col("request.id"),
    "upstream_cluster": pl.col("upstream.cluster"),
    "response_flags": _FLAGS,
    "response_code_details": pl.col("response.code_details"),
}  # fmt: skip
"""A span's, or a log record's, attributes by name."""
