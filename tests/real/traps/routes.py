"""One path for each trap, on every HTTP listener the same."""

from typing import Any

from telemetry.demo.envoy.typed import Json, named, typed

__all__ = ["CONNECT", "routes"]

_FAULT = "extensions.filters.http.fault.v3.HTTPFault"
_LIMIT = "extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_RBAC = "extensions.filters.http.rbac.v3.RBACPerRoute"
_ALWAYS = {"numerator": 100, "denominator": "HUNDRED"}


def routes() -> Json:
    """Any path that is not here is a 404 without route."""
    return {
        "name": "traps",
        "validate_clusters": False,
        "virtual_hosts": [{"name": "traps", "domains": ["*"], "routes": _routes()}],
    }


def _routes() -> list[Json]:
    answer = {"direct_response": {"status": 418, "body": {"inline_string": "short and stout"}}}
    refused_again = {"retry_on": "connect-failure", "num_retries": 2, "retry_back_off": _BACK_OFF}
    failed_again = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": _BACK_OFF}
    return [
        _route("direct", **answer),
        _route("redirect", redirect={"path_redirect": "/elsewhere"}),
        _to("no_cluster", "missing"),
        _to("no_host", "nobody"),
        _to("refused", "refused"),
        _to("refused_again", "refused", retry_policy=refused_again),
        _to("flaky", "app", retry_policy=failed_again),
        _to("failing", "app", retry_policy=failed_again),
        _to("timeout", "app", timeout="0.1s"),
        _to("idle", "app", idle_timeout="0.1s"),
        _to("too_long", "app", max_stream_duration={"max_stream_duration": "0.1s"}),
        _to("upstream_too_long", "short"),
        _to("overflow", "narrow"),
        _to("upgrade", "app", upgrade_configs=[{"upgrade_type": "websocket"}]),
        _to("rewritten", "app", prefix_rewrite="/answer"),
        _to("fault_abort", "app", filters={"fault": typed(_FAULT, abort={"http_status": 503, "percentage": _ALWAYS})}),
        _to("fault_delay", "app", filters={"fault": _delay("0.05s")}),
        _to("limited", "app", filters={"limit": _no_tokens()}),
        _to("denied", "app", filters={"rbac": _denied()}),
        *(_to(path, "app") for path in ("answer", "silence", "close", "cut", "garbage", "hold", "large")),
        _prefix("grpc_refused", "/traps.v1.Refused/", "grpc_refused"),
        _prefix("grpc_nobody", "/traps.v1.Nobody/", "grpc_nobody"),
        _prefix("grpc", "/traps.v1.Trap/", "grpc"),
    ]


_BACK_OFF = {"base_interval": "0.01s", "max_interval": "0.01s"}

CONNECT = {
    "name": "tunnel",
    "match": {"connect_matcher": {}},
    "route": {
        "cluster": "tcp",
        "timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
    },
}


def _route(name: str, **action: Any) -> Json:
    return {"name": name, "match": {"path": f"/{name}"}, **action}


def _to(name: str, cluster: str, *, filters: Json | None = None, **options: Any) -> Json:
    overrides = {"typed_per_filter_config": filters} if filters else {}
    return _route(name, route={"cluster": cluster, "timeout": "0s", **options}, **overrides)


def _prefix(name: str, prefix: str, cluster: str) -> Json:
    return {"name": name, "match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "0s"}}


def _delay(fixed: str) -> Json:
    return typed(_FAULT, delay={"fixed_delay": fixed, "percentage": _ALWAYS})


def _no_tokens() -> Json:
    always = {"default_value": _ALWAYS}
    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"}
    return typed(_LIMIT, stat_prefix="limit", token_bucket=bucket, filter_enabled=always, filter_enforced=always)


def _denied() -> Json:
    policy = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    return typed(_RBAC, rbac={"rules": {"action": "DENY", "policies": {"ns[shop]-policy[closed]-rule[0]": policy}}})


def filters() -> list[Json]:
    """The HTTP filters that the routes above set to work; without those settings each lets everything pass."""
    return [
        named("fault", _FAULT),
        named("limit", _LIMIT, stat_prefix="limit"),
        named("rbac", "extensions.filters.http.rbac.v3.RBAC"),
    ]
