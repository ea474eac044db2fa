"""Two loggers wherever Envoy logs: one to our service, one to the file that is the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from telemetry.demo.envoy.typed import Json, named

__all__ = ["ALS_CLUSTER", "Loggers", "read"]

ALS_CLUSTER = "access_log_service"

_FIELDS = {
    "type": "%ACCESS_LOG_TYPE%",
    "stream_id": "%STREAM_ID%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration_ms": "%DURATION%",
    "received_bytes": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
    "sent_bytes": "%DOWNSTREAM_WIRE_BYTES_SENT%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local": "%UPSTREAM_LOCAL_ADDRESS%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "grpc_status": "%GRPC_STATUS_NUMBER%",
}
_GRPC = ["grpc-status", "grpc-message"]


@dataclass(frozen=True, slots=True)
class Loggers:
    """Makes pairs of loggers; each writes the listener's name to the file, too."""

    file: Path

    def http(self, listener: str) -> list[Json]:
        """Logs as HTTP entries, whatever it is attached to."""
        grpc = named(
            "envoy.access_loggers.http_grpc",
            "extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            common_config=_common(listener),
            additional_request_headers_to_log=[":method", "content-type"],
            additional_response_headers_to_log=_GRPC,
            additional_response_trailers_to_log=_GRPC,
        )
        return [grpc, self._file(listener)]

    def tcp(self, listener: str) -> list[Json]:
        """Logs as TCP entries, whatever it is attached to."""
        kind = "extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"
        return [
            named("envoy.access_loggers.tcp_grpc", kind, common_config=_common(listener)),
            self._file(listener),
        ]

    def _file(self, listener: str) -> Json:
        return named(
            "envoy.access_loggers.file",
            "extensions.access_loggers.file.v3.FileAccessLog",
            path=str(self.file),
            log_format={"json_format": {"listener": listener, **_FIELDS}},
        )


def _common(listener: str) -> Json:
    return {
        "log_name": listener,
        "grpc_service": {"envoy_grpc": {"cluster_name": ALS_CLUSTER}},
        "transport_api_version": "V3",
        "buffer_flush_interval": "0.02s",
    }


def read(file: Path) -> list[Mapping[str, Any]]:
    """Every complete line of the file."""
    content = file.read_bytes()
    return [orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
