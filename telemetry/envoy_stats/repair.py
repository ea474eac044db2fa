"""Makes dotted names whole that Envoy's tag extraction cuts, or has cut, at their first dot."""

import re
from collections.abc import Mapping

from telemetry.envoy_stats.tag_rules import Labels

__all__ = ["protected", "repaired", "restored"]

# What stands behind the name of a cluster, a connection manager, .. in Envoy 1.40: before it is the name's rest.
_CLUSTER_LEAF = (
    r"(?:(?:internal|external|canary|retry|zone)\.(?:[^.]+\.)*)?upstream_\w+|membership_\w+|update_\w+|lb_\w+"
    r"|assignment_\w+|bind_errors|max_host_weight|original_dst_host_invalid|retry_or_shadow_abandoned|version"
    r"|warming_state|default\.total_match_count|config_reload\w*|init_fetch_timeout|control_plane\.\w+"
    r"|circuit_breakers\.(?:default|high)\.\w+|http[123]\.\w+|quic\..+|outlier_detection\.\w+|health_check\.\w+"
    r"|ssl\.(?:\w+|(?:ciphers|curves|sigalgs|versions|certificate)\b.*)|client_ssl_socket_factory\.\w+"
    r"|tls_inspector\.\w+|grpc\..+|redis\..+|dns_cache\..+|ext_authz\..+|ratelimit\.\w+|client_[\w.]+"
)
_HTTP_LEAF = (
    r"(?:downstream|rq|rs)_\w+|no_cluster|no_route|passthrough_internal_redirect_\w+|tracing\.\w+"
    r"|(?:user_agent|fault|rds|scoped_rds|ext_authz|rbac|cors|csrf|compressor|decompressor|gzip|jwt_authn|dynamodb"
    r"|health_check|lua|wasm|cache|oauth|buffer|grpc_json_transcoder|\w*http_local_rate_limit)\..+"
)
_TCP_LEAF = (
    r"(?:downstream|upstream_flush|on_demand)_\w+|idle_timeout|max_downstream_connection_duration"
    r"|early_data_received_count_total|route_delayed_total"
)
_WORKER = r"(?:main_thread\.|worker_(?:\d+\.)?)?"
_LISTENER_LEAF = (
    rf"{_WORKER}(?:downstream|connections|no_filter_chain|extension|network_extension)_\w+|http\..+|ssl\..+"
)
_ROOTS = (
    ("cluster.", "cluster_name", _CLUSTER_LEAF),
    ("http.", "http_conn_manager_prefix", _HTTP_LEAF),
    ("tcp.", "tcp_prefix", _TCP_LEAF),
    ("listener.", "listener_address", _LISTENER_LEAF),
    ("listener.http.", "http_conn_manager_prefix", _HTTP_LEAF),
    ("listener.admin.http.", "http_conn_manager_prefix", _HTTP_LEAF),
    ("vhost.", "virtual_host", r"(?:vcluster|route)\..+"),
)
# The rest is taken from the front while nothing known follows: whole segments only.
_PATTERNS = tuple(
    (root, tag, re.compile(rf"(?!(?:{leaf})$)((?:(?!(?:{leaf})$)[^.]+\.)+)((?:{leaf}))", re.ASCII))
    for root, tag, leaf in _ROOTS
)

_HIDDEN = "\x01"
# In a raw name the value stands between root and leaf, and is the shortest that leaves a leaf.
_RAW = tuple(
    re.compile(rf"({head})([^.]+(?:\.[^.]+)*?)(\.(?:{leaf}))", re.ASCII)
    for head, leaf in (
        (r"cluster\.", _CLUSTER_LEAF),
        (r"http\.", _HTTP_LEAF),
        (r"tcp\.", _TCP_LEAF),
        (r"vhost\.", r"(?:vcluster|route)\..+"),
        (r"listener\..+?\.http\.", _HTTP_LEAF),
    )
)


def protected(name: str) -> str:
    """Give a raw name with the dots hidden that are no separators, so that tags can be taken out of it."""
    for pattern in _RAW:
        match = pattern.fullmatch(name)
        if match:
            head, value, leaf = match.groups()
            return f"{head}{value.replace('.', _HIDDEN)}{leaf}"
    return name


def restored(text: str) -> str:
    """Give a text with its hidden dots."""
    return text.replace(_HIDDEN, ".")


def repaired(name: str, labels: Labels) -> tuple[str, Labels]:
    """Give name and labels, as Envoy has cut them, with the tags whole; what fits no known leaf stays as it is.

    `cluster.default.svc.cluster.local.upstream_rq` with cluster_name `outbound|9080|v1|reviews` becomes
    `cluster.upstream_rq` with `outbound|9080|v1|reviews.default.svc.cluster.local`.
    """
    for root, tag, pattern in _PATTERNS:
        if not name.startswith(root):
            continue
        values = dict(labels)
        found = _tag_of(tag, values)
        match = pattern.fullmatch(name, len(root)) if found else None
        if found and match:
            # Istio ends its names with a semicolon, which is not part of them.
            values[found] = f"{values[found]}.{match[1][:-1]}".removesuffix(";")
            name, labels = root + match[2], tuple(values.items())
    return name, labels


def _tag_of(tag: str, labels: Mapping[str, str]) -> str | None:
    """Give the name by which Envoy or Istio knows the tag."""
    return next((name for name in (f"envoy.{tag}", tag) if name in labels), None)
