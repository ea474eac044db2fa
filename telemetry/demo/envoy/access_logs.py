"""What each listener reports: to our service over gRPC, and to a JSON file, the ground truth."""

from dataclasses import dataclass
from pathlib import Path

from telemetry.demo.envoy.typed import Json, named

__all__ = ["ALS_CLUSTER", "FIELDS", "AccessLogs"]

ALS_CLUSTER = "envoy_accesslog_service"
_PEERS = ["upstream_peer", "downstream_peer"]

# Key in the file's JSON object: Envoy's command operator.
FIELDS = {
    "start_time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
    "access_log_type": "%ACCESS_LOG_TYPE%",
    "stream_id": "%STREAM_ID%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "traceparent": "%REQ(TRACEPARENT)%",
    "method": "%REQ(:METHOD)%",
    "authority": "%REQ(:AUTHORITY)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "response_flags": "%RESPONSE_FLAGS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration_ms": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "downstream_wire_bytes_received": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
    "downstream_wire_bytes_sent": "%DOWNSTREAM_WIRE_BYTES_SENT%",
    "route_name": "%ROUTE_NAME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_direct_remote_address": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "downstream_peer_uri_san": "%DOWNSTREAM_PEER_URI_SAN%",
}


@dataclass(frozen=True, slots=True)
class AccessLogs:
    """The access loggers of one Envoy.

    `file`: null for none (files grow by 1 KB an entry). `buffer_flush_interval_s`: how long entries for the
    service may wait.
    """

    file: Path | None
    buffer_flush_interval_s: float = 1.0

    def http(self, reporter: str) -> list[Json]:
        """Give the loggers of an HTTP connection manager; `reporter` is written to the file only."""
        grpc = named(
            "envoy.access_loggers.http_grpc",
            "extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            common_config=self._common("http_envoy_accesslog"),
            additional_request_headers_to_log=[":method", "content-type", "traceparent"],
            additional_response_headers_to_log=["grpc-status", "grpc-message"],
            additional_response_trailers_to_log=["grpc-status", "grpc-message"],
        )
        return [grpc, *self._file(reporter)]

    def tcp(self, reporter: str) -> list[Json]:
        """Give the loggers of a TCP proxy."""
        grpc = named(
            "envoy.access_loggers.tcp_grpc",
            "extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
            common_config=self._common("tcp_envoy_accesslog"),
        )
        return [grpc, *self._file(reporter)]

    def _common(self, log_name: str) -> Json:
        return {
            "log_name": log_name,
            "grpc_service": {"envoy_grpc": {"cluster_name": ALS_CLUSTER}},
            "transport_api_version": "V3",
            "buffer_flush_interval": f"{self.buffer_flush_interval_s}s",
            "filter_state_objects_to_log": _PEERS,
        }

    def _file(self, reporter: str) -> list[Json]:
        if self.file is None:
            return []
        logger = named(
            "envoy.access_loggers.file",
            "extensions.access_loggers.file.v3.FileAccessLog",
            path=str(self.file),
            log_format={"json_format": {"reporter": reporter, **FIELDS}},
        )
        return [logger]
