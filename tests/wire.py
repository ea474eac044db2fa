"""Envoy's messages for tests, made with its published classes."""

from typing import Any

from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.core.v3.base_pb2 import Node
from envoy.data.accesslog.v3 import accesslog_pb2 as log
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage

from tests.rows import NOW_NS

REVIEWS_HOST = "reviews.shop.svc.cluster.local"


def node(workload: str = "reviews-v1", ip: str = "10.0.0.2", namespace: str = "shop", app: str | None = None) -> Node:
    """A sidecar as Istio names it."""
    made = Node(
        id=f"sidecar~{ip}~{workload}-pod.{namespace}~{namespace}.svc.cluster.local", cluster=f"{workload}.{namespace}"
    )
    made.user_agent_name = "envoy"
    made.user_agent_build_version.version.major_number = 1
    made.user_agent_build_version.version.minor_number = 40
    made.metadata.update({
        "NAME": f"{workload}-pod", "NAMESPACE": namespace, "WORKLOAD_NAME": workload, "CLUSTER_ID": "east",
        "INSTANCE_IPS": ip, "LABELS": {"app": app or workload, "version": "v1"},
    })  # fmt: skip
    return made


def address(ip: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=ip, port_value=port))


def common(**fields: Any) -> log.AccessLogCommon:
    """What every finished entry has; say what differs."""
    made = log.AccessLogCommon(access_log_type=6, upstream_request_attempt_count=1)
    made.start_time.FromNanoseconds(NOW_NS)
    made.duration.FromNanoseconds(12_000_000)
    made.downstream_wire_bytes_received = 300
    made.downstream_wire_bytes_sent = 4000
    made.MergeFrom(log.AccessLogCommon(**fields))
    return made


def request(code: int = 200, path: str = "/", authority: str = "reviews:9080", **fields: Any) -> log.HTTPAccessLogEntry:
    """A finished HTTP request."""
    made = log.HTTPAccessLogEntry(common_properties=common(**fields), protocol_version=2)
    made.request.request_method = 1
    made.request.path = path
    made.request.authority = authority
    if code:
        made.response.response_code.value = code
    return made


def inbound(code: int = 200, **fields: Any) -> log.HTTPAccessLogEntry:
    """A request as the server's sidecar (10.0.0.2) reports it, from 10.0.0.1."""
    defaults = {
        "upstream_cluster": "inbound|9080||",
        "downstream_direct_remote_address": address("10.0.0.1", 40000),
        "downstream_local_address": address("10.0.0.2", 9080),
    }
    return request(code, **(defaults | fields))


def outbound(code: int = 200, **fields: Any) -> log.HTTPAccessLogEntry:
    """The same as the client's sidecar (10.0.0.1) reports it."""
    defaults = {
        "upstream_cluster": f"outbound|9080||{REVIEWS_HOST}",
        "upstream_remote_address": address("10.0.0.2", 9080),
        "upstream_local_address": address("10.0.0.1", 40000),
    }
    return request(code, **(defaults | fields))


def connection(kind: int = 3, **fields: Any) -> log.TCPAccessLogEntry:
    """A TCP report of that access_log_type."""
    return log.TCPAccessLogEntry(common_properties=common(access_log_type=kind, **fields))


def message(*entries: Any, sender: Node | None = None, log_name: str = "http_envoy_accesslog") -> bytes:
    """One message of a stream, its first if it names its sender."""
    made = StreamAccessLogsMessage()
    if sender is not None:
        made.identifier.node.CopyFrom(sender)
        made.identifier.log_name = log_name
    for entry in entries:
        logs = made.http_logs if isinstance(entry, log.HTTPAccessLogEntry) else made.tcp_logs
        logs.log_entry.append(entry)
    return made.SerializeToString()
