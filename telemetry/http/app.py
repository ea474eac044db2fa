"""The HTTP app: health, readiness, an index, and the routers of others."""

import html
from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["create_app"]

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Mesh Telemetry</title></head>
<body>
<h1>Mesh Telemetry</h1>
<dl>
{rows}
</dl>
<p>For programs: <a href="/openapi.json">openapi.json</a></p>
</body>
</html>
"""


Reasons = Callable[[], Mapping[str, str]]


def create_app(*, routers: Sequence[APIRouter], ready: Reasons, warnings: Reasons = dict) -> FastAPI:
    """Make the app. `ready` gives the reasons for not being ready, by part; empty means ready.

    `warnings` gives, by part, what fails and keeps nothing else from its work.

    The API is described in /openapi.json and for people on the index page; FastAPI's own pages run scripts of others.
    """
    app = FastAPI(title="Mesh Telemetry", docs_url=None, redoc_url=None)
    app.include_router(_health(ready, warnings))
    for router in routers:
        app.include_router(router)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> str:
        return _index(app)

    app.add_middleware(_StrictHeaders)
    return app


def _health(ready: Reasons, warnings: Reasons) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell whether the process lives: answers as long as its event loop turns."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Not ready; `reasons` says why, by part."}})
    async def readyz() -> JSONResponse:
        """Tell whether the service does its work: 200 when it does, 503 with the reasons when not.

        `warnings` name, either way, the sinks that have never taken anything, with the last error.
        """
        reasons = dict(ready())
        body = {"status": "not ready" if reasons else "ready", "reasons": reasons, "warnings": dict(warnings())}
        return JSONResponse(body, status_code=503 if reasons else 200)

    return router


def _index(app: FastAPI) -> str:
    operations = (
        (path, operation.get("description", ""))
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if method == "get"
    )
    return _PAGE.format(rows="\n".join(_row(path, description) for path, description in operations))


def _row(path: str, description: str) -> str:
    name, meaning = html.escape(path), html.escape(description)
    link = name if "{" in path else f'<a href="{name}">{name}</a>'
    return f"<dt>{link}</dt><dd>{meaning}</dd>"


class _StrictHeaders:
    """Forbids browsers to guess types, and pages to load or run anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
                    headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self._app(scope, receive, send_strictly if scope["type"] == "http" else send)
