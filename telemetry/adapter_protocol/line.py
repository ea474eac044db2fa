"""The way to the program: a channel that is made anew when files change or the program was lost, a stream on it."""

import asyncio

import grpc
import structlog

from telemetry.adapter_protocol.agreement import Agreement, agree
from telemetry.adapter_protocol.options import Options
from telemetry.adapter_protocol.stream import Stream
from telemetry.adapter_protocol.verdicts import Said
from telemetry.errors import Retry, StartError
from telemetry.outgoing.channels import channel_credentials
from telemetry.outgoing.tls import Watch

__all__ = ["Line"]

log = structlog.get_logger(__name__)

_MAX_RESULT_BYTES = 4 << 20
"""A result is a line; a partial one has a reason for each row."""


class Line:
    """Gives a stream that is open. Making it raises StartError when a TLS file can't be used."""

    def __init__(self, options: Options, said: Said) -> None:
        self._options = options
        self._said = said
        self._watch = Watch(options.tls)
        self._credentials = channel_credentials(options.tls) if options.secure else None
        self._channel: grpc.aio.Channel | None = None
        self._stream: Stream | None = None
        self._opening = asyncio.Lock()
        self.agreement: Agreement | None = None
        """The last one."""

    async def stream(self) -> Stream:
        """Give the stream, opened if there is none. Raises Retry, saying what keeps it from being opened."""
        async with self._opening:
            if self._options.secure and self._watch.changed():
                await self._take_up_new_files()
            if self._stream is None or self._stream.ended:
                await self.aclose()
                self._stream = await self._open()
            return self._stream

    async def aclose(self) -> None:
        """End the stream and the channel, whatever the program does."""
        stream, self._stream = self._stream, None
        channel, self._channel = self._channel, None
        if stream is not None:
            await stream.aclose()
        if channel is not None:
            await channel.close(None)

    async def _open(self) -> Stream:
        """Connect and agree: each time anew, for it may be another program by now."""
        timeout_s = self._options.timeout_s
        self._channel = channel = self._new_channel()
        try:
            async with asyncio.timeout(timeout_s):
                agreement = await agree(channel, self._options, self._said)
        except TimeoutError:
            raise Retry(f"grpc: {self._options.address} did not describe itself within {timeout_s:g} s") from None
        if self.agreement != agreement:
            log.info(
                "connected to an adapter", adapter=agreement.name, encoding=agreement.encoding,
                protocol_version=agreement.protocol_version,
            )  # fmt: skip
        self.agreement = agreement
        return Stream(channel, agreement, self._options.options_json(), self._said)

    async def _take_up_new_files(self) -> None:
        try:
            self._credentials = channel_credentials(self._options.tls)
        except StartError as error:
            log.warning("changed TLS files can't be used; those before stay in use", error=str(error))
        else:
            await self.aclose()

    def _new_channel(self) -> grpc.aio.Channel:
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", _MAX_RESULT_BYTES),
            ("grpc.primary_user_agent", "mesh-telemetry"),
            # A channel made anew connects at once, whatever a former one to the same address has met.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.keepalive_time_ms", 60_000),
        ]
        if self._options.server_name:
            options.append(("grpc.ssl_target_name_override", self._options.server_name))
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._options.address, options=options)
        return grpc.aio.secure_channel(self._options.address, self._credentials, options=options)
