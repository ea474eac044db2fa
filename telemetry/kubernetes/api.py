"""The API server: lists and watches over HTTP, as kubernetes_asyncio finds it and signs in."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import aiohttp
import orjson
from kubernetes_asyncio import config
from kubernetes_asyncio.client.api_client import ApiClient
from kubernetes_asyncio.client.configuration import Configuration
from pydantic import ValidationError
from yaml import YAMLError

from telemetry.errors import StartError
from telemetry.kubernetes.objects import Bookmark, Object, Page, Status

__all__ = ["Api", "Change", "Refused", "Unreachable"]

_CONNECT_S = 10.0
# How much longer than the server was told a watch may last.
_WATCH_GRACE_S = 15.0
_CONFIG_ERRORS = (config.ConfigException, OSError, ValueError, KeyError, TypeError, RuntimeError, YAMLError)
_SHOWN = 300

Made = TypeVar("Made", bound=Object)


class Unreachable(Exception):  # noqa: N818 - what the server is
    """The server can't be reached, or went away: nothing was said of our request."""


class Refused(Exception):  # noqa: N818 - what was done with our request
    """The server said no, or nothing that makes sense. `status`: its HTTP code, or the code inside an ERROR event."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message[:_SHOWN]}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Change(Generic[Made]):
    """One event of a watch. `type`: ADDED, MODIFIED, DELETED or BOOKMARK; `made`: None for a BOOKMARK."""

    type: str
    version: str
    made: Made | None


class Api:
    """The way to one API server. Entering raises StartError when there are no credentials to be found.

    Requests raise Unreachable and Refused, nothing else.
    """

    def __init__(self, kubeconfig: Path | None, context: str | None, request_timeout_s: float) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s, sock_connect=_CONNECT_S)
        self._configuration = Configuration()

    async def __aenter__(self) -> Self:
        try:
            await self._sign_in()
            self._client = ApiClient(self._configuration)
        except _CONFIG_ERRORS as error:
            words = " ".join(str(error).split())
            message = f"mesh.kubernetes: no way to the API server: {words}; set kubeconfig, or run in a pod"
            raise StartError(message) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def _sign_in(self) -> None:
        chosen = self._kubeconfig or self._context
        if not chosen and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=self._configuration)  # type: ignore[no-untyped-call]
            return
        file = str(self._kubeconfig) if self._kubeconfig else None
        await config.load_kube_config(
            config_file=file, context=self._context, client_configuration=self._configuration, persist_config=False
        )

    async def renew(self) -> None:
        """Read the credentials again, after the server would not take them: tokens run out. Keeps them if it can't."""
        try:
            await self._sign_in()
        except _CONFIG_ERRORS as error:
            raise Unreachable(f"the credentials can't be read again: {error}") from error

    async def page(self, path: str, model: type[Made], *, limit: int | None, token: str) -> Page[Made]:
        """List one page; `token`: the one that the page before gave, else empty. Without limit: all in one page."""
        query = [("limit", str(limit))] if limit else []
        query += [("continue", token)] if token else []
        async with self._get(path, query, self._timeout) as response:
            body = await response.read()
        with _sense_in(body):
            return Page[model].model_validate_json(body)  # type: ignore[valid-type]

    @asynccontextmanager
    async def watch(
        self, path: str, model: type[Made], version: str, seconds: int
    ) -> AsyncIterator[AsyncIterator[Change[Made]]]:
        """Begin to watch; gives each change since `version`, until the server ends it, within about `seconds`."""
        query = [
            ("watch", "true"),
            ("resourceVersion", version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
        ]
        timeout = aiohttp.ClientTimeout(total=seconds + _WATCH_GRACE_S, sock_connect=_CONNECT_S)
        async with self._get(path, query, timeout) as response:
            yield _changes(response, model)

    @asynccontextmanager
    async def _get(
        self, path: str, query: list[tuple[str, str]], limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response: aiohttp.ClientResponse = await self._client.call_api(
                path,
                "GET",
                query_params=query,
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=limits,
            )
            async with response:
                if response.status != 200:
                    raise _refusal(response.status, await response.content.read(1 << 16))
                yield response
        except (aiohttp.ClientError, OSError) as error:
            # A timeout has no words of its own.
            raise Unreachable(str(error) or type(error).__name__) from error
        except ValueError as error:
            raise Refused(0, f"a line that is too long, or no answer of an API server: {error}") from error


def _refusal(status: int, body: bytes) -> Refused:
    try:
        return Refused(status, Status.model_validate_json(body).message)
    except ValidationError:
        return Refused(status, "without a word that an API server would say; is it one?")


@contextmanager
def _sense_in(body: bytes) -> Iterator[None]:
    try:
        yield
    except (ValidationError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Refused(0, f"an answer that makes no sense: {body[:80]!r}") from error


async def _changes(response: aiohttp.ClientResponse, model: type[Made]) -> AsyncIterator[Change[Made]]:
    while line := await response.content.readline():
        if not line.endswith(b"\n"):
            raise Unreachable("the watch broke off")
        yield _change(line, model)


def _change(line: bytes, model: type[Made]) -> Change[Made]:
    with _sense_in(line):
        event: dict[str, Any] = orjson.loads(line)
        type_, written = event["type"], event["object"]
        if type_ == "ERROR":
            status = Status.model_validate(written)
            raise Refused(status.code, status.message)
        if type_ == "BOOKMARK":
            return Change(type_, Bookmark.model_validate(written).metadata.resource_version, None)
        made = model.model_validate(written)
        return Change(type_, made.metadata.resource_version, made)
