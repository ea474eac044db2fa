"""The HTTP server: one app on one socket, within our own event loop and its signals."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from telemetry.config import HttpSettings
from telemetry.errors import StartError

__all__ = ["HttpServer"]

_POLL_S = 0.01


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service, which drains before this server stops."""
        yield


def _tls(settings: HttpSettings) -> dict[str, Any]:
    """Mutual TLS, in uvicorn's words."""
    if settings.tls is None:
        return {}
    files = settings.tls
    return {
        "ssl_certfile": files.certificate,
        "ssl_keyfile": files.key,
        "ssl_ca_certs": str(files.client_ca),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


class HttpServer:
    """Serves an app. `port` is known once `start` has returned."""

    def __init__(self, settings: HttpSettings, app: FastAPI) -> None:
        self._settings = settings
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=5,
                limit_concurrency=256,
                **_tls(settings),
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises StartError when the address is taken."""
        address = self._settings.address
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address.host, address.port))
        except OSError as error:
            listener.close()
            raise StartError(
                f"can't listen on {address}: {error.strerror}; stop the other process or set http.address"
            ) from error
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Finish the requests at hand, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
