"""HTTP towards a back end: little is read of an answer, redirects are not followed, new certificates are taken up."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import httpx
import structlog

from telemetry.errors import Retry, StartError
from telemetry.outgoing.answers import shown
from telemetry.outgoing.tls import TlsFiles, Watch, client_context

__all__ = ["Answer", "HttpPoster", "Poster"]

log = structlog.get_logger(__name__)

_CONNECTIONS = httpx.Limits(max_connections=4, max_keepalive_connections=4)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers (names in lower case), and the beginning of the body; `whole`: it was not longer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


class Poster(Protocol):
    """What posts: the class below, or a test's."""

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Post; give the answer, whatever its status. Raises Retry when there is none."""

    async def aclose(self) -> None:
        """Let go of the connections."""


@dataclass(slots=True, eq=False)
class _Line:
    """A pool of connections, and how many requests are on their way in it."""

    client: httpx.AsyncClient
    requests: int = 0


class HttpPoster:
    """Posts. Raises StartError when a TLS file can't be used; later on, the ones before stay in use.

    Of an answer at most `max_answer_bytes` are read, and no compressed ones are asked for. Proxies and passwords of
    the environment (HTTP_PROXY, .netrc) are not looked at.
    """

    def __init__(self, tls: TlsFiles, *, timeout_s: float, max_answer_bytes: int) -> None:
        self._tls = tls
        self._timeout_s = timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._watch = Watch(tls)
        self._context = client_context(tls)
        self._line = _Line(self._new_client())
        self._closing: set[asyncio.Task[None]] = set()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Post; give the answer, whatever its status. Raises Retry when there is none."""
        self._take_up_new_files()
        line = self._line
        line.requests += 1
        try:
            # In all: httpx would give each step of an answer that only trickles so long.
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(line.client, url, content, headers)
        except TimeoutError:
            self._leave(line)
            raise Retry(f"no answer within {self._timeout_s:g} s") from None
        except asyncio.CancelledError:
            self._leave(line)
            raise
        except (httpx.HTTPError, httpx.StreamError) as error:
            said = shown(str(error)) or "no answer"
            raise Retry(f"{type(error).__name__}: {said}; is the back end up, and is this its address?") from None
        finally:
            line.requests -= 1
            self._close_if_done(line)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._line.client.aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _ask(self, client: httpx.AsyncClient, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        async with client.stream("POST", url, content=content, headers=dict(headers)) as response:
            answer = await self._answer(response)
        # httpx ties a response to its stream, and that to the response: both would keep the request and its content
        # until the garbage collector comes round, which for many megabytes is too late.
        del response.stream
        return answer

    def _leave(self, line: "_Line") -> None:
        """Begin another pool: one that was interrupted may have lost a connection for good, and without any it hangs.

        Measured with httpcore 1.0: after some 2,000 requests that were cancelled at any moment all four were lost.
        """
        if line is self._line:
            self._line = _Line(self._new_client())

    def _close_if_done(self, line: "_Line") -> None:
        if line is not self._line and not line.requests:
            closing = asyncio.create_task(_closed(line.client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _answer(self, response: httpx.Response) -> Answer:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_answer_bytes:
                break
        limit = self._max_answer_bytes
        return Answer(response.status_code, response.headers, bytes(body[:limit]), len(body) <= limit)

    def _take_up_new_files(self) -> None:
        if not self._watch.changed():
            return
        try:
            self._context = client_context(self._tls)
        except StartError as error:
            log.warning("changed TLS files can't be used; those before stay in use", error=str(error))
            return
        before, self._line = self._line, _Line(self._new_client())
        self._close_if_done(before)

    def _new_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._context,
            timeout=self._timeout_s,
            limits=_CONNECTIONS,
            headers={"accept-encoding": "identity"},
            trust_env=False,
            follow_redirects=False,
        )


async def _closed(client: httpx.AsyncClient) -> None:
    """Let go of its connections; nobody is waiting for it."""
    with suppress(httpx.HTTPError, OSError):
        await client.aclose()
