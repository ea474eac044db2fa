"""The tags that Istio's proxies take out of their stats' names, in place of Envoy's."""

from telemetry.envoy_stats.tag_rules import rule

__all__ = ["ISTIO_TAGS"]

# Istio's bootstrap (tools/packaging/common/envoy_bootstrap.json), with the `;` that ends its stat names since 1.24.
_ADDRESS = r"(?:[_.\d]*|[_\[\]aAbBcCdDeEfF\d]*)"
ISTIO_TAGS = (
    rule("cluster_name", r"^cluster\.((.+?);\.)", ";."),
    rule("cluster_name", r"^cluster\.((?![^;]*;\.)(.+?(?:\..+?\.svc\.cluster\.local)?)\.)", "cluster."),
    rule("tcp_prefix", r"^tcp\.((.*?);?\.)\w+?$", "tcp."),
    rule("response_code", r"_rq(_(\d{3}))$", "_rq_"),
    rule("response_code_class", r"_rq(_(\dxx))$", "_rq_"),
    rule("http_conn_manager_listener_prefix", rf"^listener\..*?\.http\.((.+?);\.|({_ADDRESS})\.)", ".http."),
    rule("http_conn_manager_prefix", rf"^http\.((.+?);\.|({_ADDRESS})\.)", "http."),
    rule("listener_address", rf"^listener\.(({_ADDRESS});?\.)", "listener."),
    rule("mongo_prefix", r"^mongo\.((.+?)\.)(?:collection|cmd|cx_|op_|delays_|decoding_).*?$", "mongo."),
    rule("cache", r"(cache\.(.+?)\.)", "cache."),
    rule("component", r"(component\.(.+?)\.)", "component."),
    rule("tag", r"(tag\.(.+?);\.)", "tag."),
    rule("wasm_filter", r"(wasm_filter\.(.+?)\.)", "wasm_filter."),
    rule("authz_enforce_result", r"rbac(\.(allowed|denied))", "rbac."),
    rule("authz_dry_run_action", r"(\.istio_dry_run_(allow|deny)_)", ".istio_dry_run_"),
    rule("authz_dry_run_result", r"(\.shadow_(allowed|denied))", ".shadow_"),
)
