"""Google's client of Cloud Logging on a channel of ours, which is replaced when it has lost the API."""

import json
from dataclasses import dataclass
from typing import Any

import google.auth
import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcAsyncIOTransport
from google.cloud.logging_v2.types import WriteLogEntriesRequest, WriteLogEntriesResponse
from google.oauth2.service_account import Credentials

from telemetry.cloud_entries.answers import STRANGER, failure, status_of
from telemetry.cloud_entries.options import Options
from telemetry.errors import Retry, StartError
from telemetry.outgoing.answers import shown
from telemetry.threads import in_own_thread

__all__ = ["Client", "service_account"]

_SCOPE = "https://www.googleapis.com/auth/logging.write"
_MAX_ANSWER_BYTES = 1 << 20
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.primary_user_agent", "mesh-telemetry"),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 60_000),
)


def service_account(options: Options) -> Credentials | None:
    """Read the key of the service account, if one is set. Raises StartError, which does not show it."""
    if options.service_account is None:
        return None
    try:
        key = json.loads(options.service_account.get_secret_value())
        return Credentials.from_service_account_info(key, scopes=[_SCOPE])  # type: ignore[no-any-return, no-untyped-call]
    except (ValueError, AttributeError, TypeError, GoogleAuthError):
        raise StartError(
            "cloud_logging: service_account is not the JSON key of a service account; make one by "
            "`gcloud iam service-accounts keys create`"
        ) from None


@dataclass(slots=True)
class _Line:
    channel: grpc.aio.Channel
    client: LoggingServiceV2AsyncClient
    calls: int = 0
    retired: bool = False


class Client:
    """Writes entries. Credentials are looked for at the first request, for that may take a network."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._credentials: Any = service_account(options)
        self._line: _Line | None = None

    async def write(self, request: WriteLogEntriesRequest, positions: list[int]) -> None:
        """Return when every entry is written. Raises Retry, Rejected, TooLarge or Partial as the answer says."""
        line = await self._open()
        line.calls += 1
        try:
            answer: object = await line.client.write_log_entries(
                request=request, retry=None, timeout=self._options.timeout_s
            )
        except GoogleAPICallError as error:
            raise await self._judged(error, line, positions) from None
        except GoogleAuthError as error:
            raise _no_credentials(error) from None
        except ValueError as error:  # google-api-core's, of a status that contradicts itself
            raise Retry(f"cloud_logging: {STRANGER}: {shown(str(error))}") from None
        finally:
            line.calls -= 1
            await _hang_up(line)
        if not isinstance(answer, WriteLogEntriesResponse):  # which gRPC logs, and gives as None
            raise Retry(f"cloud_logging: {STRANGER}")

    async def aclose(self) -> None:
        """Let go of the connection."""
        if self._line is not None:
            await self._line.channel.close(None)
            self._line = None

    async def _judged(self, error: GoogleAPICallError, line: _Line, positions: list[int]) -> Exception:
        code = error.grpc_status_code or grpc.StatusCode.UNKNOWN
        if code is grpc.StatusCode.UNAVAILABLE and line is self._line:
            # The channel would not try again for a while; when to do so is the delivery's to say.
            self._line, line.retired = None, True
        cause = error.response
        status = status_of(cause) if isinstance(cause, grpc.RpcError) else status_of(grpc.RpcError())
        return failure(code, error.message or "", status, positions)

    async def _open(self) -> _Line:
        if self._line is None:
            if self._credentials is None and not self._options.insecure:
                self._credentials = await in_own_thread(_application_default)
            if self._line is None:  # another export may have opened it meanwhile
                self._line = self._new_line()
        return self._line

    def _new_line(self) -> _Line:
        options, transport = self._options, LoggingServiceV2GrpcAsyncIOTransport
        if options.insecure:
            channel = grpc.aio.insecure_channel(options.endpoint, options=_CHANNEL_OPTIONS)
        else:
            channel = transport.create_channel(
                options.endpoint, credentials=self._credentials, options=_CHANNEL_OPTIONS
            )
        return _Line(channel, LoggingServiceV2AsyncClient(transport=transport(channel=channel, host=options.endpoint)))


def _application_default() -> Any:  # noqa: ANN401 - of one of a dozen classes
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except GoogleAuthError as error:
        raise _no_credentials(error) from None
    return credentials


def _no_credentials(error: GoogleAuthError) -> Retry:
    said = shown(str(error))
    return Retry(
        f"cloud_logging: no usable credentials: {said}; set service_account, or GOOGLE_APPLICATION_CREDENTIALS, or run "
        "where a workload identity is"
    )


async def _hang_up(line: _Line) -> None:
    if line.retired and not line.calls:
        await line.channel.close(None)
