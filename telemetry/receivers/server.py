"""The gRPC server: our services on one port, with health and reflection, its limits on."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from telemetry.config import GrpcSettings, TlsSettings
from telemetry.errors import StartError
from telemetry.receivers import descriptors

__all__ = ["Server", "StreamHandler"]

StreamHandler = Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext], Awaitable[bytes]]

# Messages beyond the configured size are counted and skipped while their stream goes on; gRPC itself ends the stream at
# this multiple of it, before the rest is read.
_HARD_LIMIT_FACTOR = 4
_WINDOW_BYTES = 256 * 1024


class _Streams(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC has no types
    """Client-streaming methods over raw bytes: no message class is ever made."""

    def __init__(self, methods: Mapping[str, StreamHandler]) -> None:
        self._handlers = {path: grpc.stream_unary_rpc_method_handler(method) for path, method in methods.items()}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method)


class Server:
    """Serves `methods` (full path -> handler of a byte stream). `port` is known once `start` has returned."""

    def __init__(
        self, settings: GrpcSettings, methods: Mapping[str, StreamHandler], *, hard_limit_bytes: int = 0
    ) -> None:
        """`hard_limit_bytes`: a method takes messages of this size, though the others' limit is lower."""
        self._settings = settings
        self._hard_limit_bytes = max(hard_limit_bytes, settings.max_message_bytes * _HARD_LIMIT_FACTOR)
        self._methods = methods
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises StartError when the address is taken or the certificates can't be read."""
        services = sorted({path.split("/")[1] for path in self._methods})
        self._server = grpc.aio.server(options=_options(self._settings, self._hard_limit_bytes))
        self._server.add_generic_rpc_handlers((_Streams(self._methods),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, descriptors.pool())
        self.port = self._bind(self._server)
        await self._server.start()
        for service in ("", *services):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Refuse new streams, and end the open ones after `grace_s`. Says NOT_SERVING first."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(grace_s)

    def _bind(self, server: grpc.aio.Server) -> int:
        address = self._settings.address
        try:
            if self._settings.tls is None:
                return int(server.add_insecure_port(str(address)))
            return int(server.add_secure_port(str(address), _credentials(self._settings.tls)))
        except RuntimeError as error:
            raise StartError(
                f"can't listen on {address}: another process has the port, or the address isn't this machine's; "
                "stop the other one or set receiver.grpc.address"
            ) from error


def _options(settings: GrpcSettings, hard_limit_bytes: int) -> list[tuple[str, int]]:
    return [
        # Two servers would share the port silently, each getting some of the streams.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", hard_limit_bytes),
        ("grpc.max_metadata_size", 64 * 1024),
        # What a stream may send before we have read it. gRPC would let it grow to megabytes a stream while it sees room
        # on the line: with hundreds of Envoys that is memory without bound, and Envoy holds back what we don't take.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
        ("grpc.keepalive_time_ms", int(settings.keepalive_time_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(settings.keepalive_timeout_s * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Mutual TLS. Files are read again for each connection, so that rotated certificates need no restart."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())],
            root_certificates=Path(tls.client_ca).read_bytes(),
        )

    try:
        first = configuration()
    except OSError as error:
        raise StartError(f"can't read {error.filename}: {error.strerror}; see receiver.grpc.tls") from error
    return grpc.dynamic_ssl_server_credentials(first, configuration, require_client_authentication=True)
