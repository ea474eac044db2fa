"""A Kubernetes API server, small but in earnest: pages, watches, bookmarks, expiry, over HTTP; and its faults."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Item = dict[str, Any]
KINDS = {
    "pods": "api/v1",
    "services": "api/v1",
    "endpointslices": "apis/discovery.k8s.io/v1",
    "replicasets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
}


class BrokenError(Exception):
    """Ends a watch in the middle of its body."""


def status(code: int, reason: str, message: str) -> Item:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    }  # fmt: skip


TOO_OLD = status(410, "Expired", "too old resource version: 1 (2)")


class ApiServer:
    def __init__(self) -> None:
        self.version = 1
        self.objects: dict[str, dict[tuple[str, str], Item]] = {kind: {} for kind in KINDS}
        self.token = "good"
        self.gone_as = "http"
        self.refusals: list[tuple[int, str]] = []
        """What the next requests get."""
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []
        """(list or watch, kind, query), each."""
        self.body: bytes | None = None
        """What is answered instead of anything, by a proxy in between."""
        self._history: list[tuple[int, str, str, Item]] = []
        self._compacted = 1
        self._snapshots: dict[str, tuple[int, list[Item]]] = {}
        self._changed = asyncio.Event()
        self._cut: str | None = None
        self._epoch = 0
        self.watches = 0
        self.port = 0

    # --- what happens in the cluster ------------------------------------------------------------------------------

    def put(self, kind: str, item: Item) -> None:
        key = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
        self.version += 1
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
        event = "MODIFIED" if key in self.objects[kind] else "ADDED"
        self.objects[kind][key] = item
        self._tell(kind, event, item)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        if item := self.objects[kind].pop((namespace, name), None):
            self.version += 1
            last = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
            self._tell(kind, "DELETED", last)

    def bookmark(self) -> None:
        self.version += 1
        for kind in KINDS:
            self._tell(kind, "BOOKMARK", {"kind": kind, "metadata": {"resourceVersion": str(self.version)}})

    def compact(self, gone_as: str = "http") -> None:
        """Forget all history: watches from an older version are told so, those that run go on."""
        self.gone_as = gone_as
        self.version += 1
        self._history.clear()
        self._compacted = self.version
        self._snapshots.clear()

    def cut(self, how: str) -> None:
        """End all watches: `clean`, `broken` in the middle of a line, or with an ERROR event: `expired`."""
        self._cut, self._epoch = how, self._epoch + 1
        self._wake()

    # --- served ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(self._app(), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server._serve([listening]))
        self._socket = listening
        while not self._server.started:
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        self.cut("broken")
        self._server.should_exit = True
        await self._task
        self._socket.close()

    async def restart(self) -> None:
        """Come back at the same port; nothing of the old versions means anything."""
        await self.stop()
        self.compact(self.gone_as)
        self.version += 1000
        self._compacted = self.version
        await self.start()

    def kubeconfig(self, token: str = "good") -> str:
        return json.dumps(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "test",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
                "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {"token": token}}],
            }
        )  # fmt: skip

    def _app(self) -> Starlette:
        routes = []
        for kind, group in KINDS.items():
            routes += [
                Route(f"/{group}/{kind}", self._serve, name=kind),
                Route(f"/{group}/namespaces/{{namespace}}/{kind}", self._serve, name=kind),
            ]
        return Starlette(routes=routes)

    async def _serve(self, request: Request) -> Response:
        kind = request.url.path.rpartition("/")[2]
        query = dict(request.query_params)
        watching = query.get("watch") == "true"
        self.requests.append(("watch" if watching else "list", kind, query))
        if self.body is not None:
            return Response(self.body, media_type="text/html")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse(status(401, "Unauthorized", "Unauthorized"), 401)
        if self.refusals:
            code, message = self.refusals.pop(0)
            return JSONResponse(status(code, "Refused", message), code)
        namespace = request.path_params.get("namespace")
        return self._watch(kind, namespace, query) if watching else self._list(kind, namespace, query)

    def _list(self, kind: str, namespace: str | None, query: dict[str, str]) -> Response:
        if "continue" in query:
            if query["continue"] not in self._snapshots:
                return JSONResponse(status(410, "Expired", "The provided continue parameter is too old"), 410)
            version, items = self._snapshots.pop(query["continue"])
        else:
            version = self.version
            items = [item for key, item in sorted(self.objects[kind].items()) if namespace in (None, key[0])]
        limit = int(query.get("limit", 0)) or len(items) or 1
        meta = {"resourceVersion": str(version)}
        if items[limit:]:
            meta["continue"] = f"{kind}-{version}-{len(items)}-{id(items)}"
            self._snapshots[meta["continue"]] = (version, items[limit:])
        return JSONResponse({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items[:limit] or None})

    def _watch(self, kind: str, namespace: str | None, query: dict[str, str]) -> Response:
        since = int(query["resourceVersion"])
        if since > self.version:
            return JSONResponse(status(504, "Timeout", "Too large resource version"), 504)
        if since < self._compacted and self.gone_as == "http":
            return JSONResponse(TOO_OLD, 410)
        return StreamingResponse(self._events(kind, namespace, since, float(query["timeoutSeconds"])))

    async def _events(self, kind: str, namespace: str | None, since: int, timeout_s: float) -> AsyncIterator[bytes]:
        if since < self._compacted:
            yield line("ERROR", TOO_OLD)
            return
        epoch = self._epoch
        self.watches += 1
        end = asyncio.get_running_loop().time() + timeout_s
        try:
            while epoch == self._epoch:
                changed = self._changed
                for version, of, event, item in [one for one in self._history if one[0] > since]:
                    since = version
                    if of == kind and (event == "BOOKMARK" or namespace in (None, item["metadata"]["namespace"])):
                        yield line(event, item)
                try:
                    async with asyncio.timeout_at(end):
                        await changed.wait()
                except TimeoutError:
                    return
            if self._cut == "expired":
                yield line("ERROR", TOO_OLD)
            if self._cut == "broken":
                yield b'{"type": "MODIFIED", "obj'
                raise BrokenError
        finally:
            self.watches -= 1

    def _tell(self, kind: str, event: str, item: Item) -> None:
        self._history.append((self.version, kind, event, item))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def line(event: str, item: Item) -> bytes:
    return json.dumps({"type": event, "object": item}).encode() + b"\n"


@asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
