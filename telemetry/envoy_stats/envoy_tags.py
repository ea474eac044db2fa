"""The tags that Envoy takes out of its stats' names unless it is told otherwise."""

from telemetry.envoy_stats.tag_rules import rule, token

__all__ = ["ENVOY_TAGS"]

# From Envoy's source/common/config/well_known_names.cc.
_ADDRESS = r"(?:\d+\.\d+\.\d+\.\d+_\d+|\[[A-Fa-f0-9_]+\]_\d+)"
_NAME = r"[^.]+"

ENVOY_TAGS = (
    token("envoy.cluster_name", "cluster.$.**"),
    token("envoy.http_conn_manager_prefix", "http.$.**"),
    rule("envoy.http_conn_manager_prefix", r"^listener\..*?\.http\.(([^.]+)\.)", ".http."),
    rule("envoy.listener_address", rf"^listener\.((?!admin\.)({_ADDRESS}|{_NAME})\.)", "listener."),
    rule("envoy.response_code", r"_rq(_(\d{3}))$", "_rq_"),
    rule("envoy.response_code_class", r"_rq_((\d))xx$", "_rq_"),
    rule(
        "envoy.worker_id",
        r"^(?:listener|listener_manager|server|thread_local_cluster_manager)\..*?worker_((\d+)\.)",
        "worker_",
    ),
    token("envoy.virtual_host", "vhost.$.**"),
    token("envoy.virtual_cluster", "vhost.*.vcluster.$.**"),
    token("envoy.route", "vhost.*.route.$.**"),
    token("envoy.tcp_prefix", "tcp.$.**"),
    token("envoy.udp_prefix", "udp.$.**"),
    token("envoy.clientssl_prefix", "auth.clientssl.$.**"),
    token("envoy.ratelimit_prefix", "ratelimit.$.**"),
    token("envoy.connection_limit_prefix", "connection_limit.$.**"),
    token("envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**"),
    token("envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**"),
    token("envoy.dns_filter_prefix", "dns_filter.$.**"),
    token("envoy.thrift_prefix", "thrift.$.**"),
    token("envoy.redis_prefix", "redis.$.**"),
    token("envoy.mongo_prefix", "mongo.$.**"),
    token("envoy.mongo_cmd", "mongo.*.cmd.$.**"),
    token("envoy.mongo_collection", "mongo.*.collection.$.**"),
    token("envoy.mongo_callsite", "mongo.*.collection.*.callsite.$.**"),
    token("envoy.google_grpc_client_prefix", "grpc.$.**"),
    token("envoy.grpc_bridge_service", "cluster.*.grpc.$.**"),
    token("envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**"),
    token("envoy.http_user_agent", "http.*.user_agent.$.**"),
    token("envoy.fault_downstream_cluster", "http.*.fault.$.**"),
    token("envoy.ext_authz_prefix", "http.*.ext_authz.$.**"),
    token("envoy.xds_resource_name", "sds.$.**"),
    rule("envoy.ssl_cipher", r"^listener\..*?\.ssl\.ciphers(\.([^.]+))$", ".ssl.ciphers."),
    rule("cipher_suite", r"^cluster\.[^.]+\.ssl\.ciphers(\.([^.]+))$", ".ssl.ciphers."),
    rule("envoy.ssl_curve", r"\.ssl\.curves(\.([^.]+))$", ".ssl.curves."),
    rule("envoy.ssl_sigalg", r"\.ssl\.sigalgs(\.([^.]+))$", ".ssl.sigalgs."),
    rule("envoy.ssl_version", r"\.ssl\.versions(\.([^.]+(?:\.\d)?))$", ".ssl.versions."),
    rule("envoy.tls_certificate", r"\.ssl\.certificate\.((.+?)\.)\w+$", ".ssl.certificate."),
    rule("envoy.rds_route_config", r"^http\.[^.]+\.rds\.((.*?)\.)\w+?$", ".rds."),
    rule("envoy.scoped_rds_config", r"^http\.[^.]+\.scoped_rds\.((.*?)\.)\w+?$", ".scoped_rds."),
    rule("envoy.rbac_prefix", r"^((?!http\.)([^.]+)\.)rbac\.", ".rbac."),
    rule("envoy.rbac_http_prefix", r"^http\.[^.]+\.rbac\.((.*?)\.)(?:shadow_)?(?:allowed|denied|policy)", ".rbac."),
    rule("envoy.rbac_policy_name", r"\.rbac\..*?policy\.((.*?)\.)(?:shadow_)?(?:allowed|denied)$", ".policy."),
    rule("envoy.local_http_ratelimit_prefix", r"^(?:.*\.)?(([^.]+)\.)http_local_rate_limit\.", "http_local_rate_"),
    rule("envoy.proxy_protocol_prefix", r"^proxy_proto\.(([^.]+)\.)(?!versions)", "proxy_proto."),
    rule("envoy.proxy_protocol_version", r"^proxy_proto\..*?versions\.v((\d)\.)", "versions.v"),
    rule("envoy.dynamo_operation", r"^http\.\w+\.dynamodb\.(?:operation|table\.\w+\.capacity)(\.(\w+))", ".dynamodb."),
    rule("envoy.dynamo_table", r"^http\.[^.]+\.dynamodb\.(?:table|error)\.(([^.]+)\.)", ".dynamodb."),
)  # fmt: skip
