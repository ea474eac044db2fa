"""`POST /api/v1/explain`: what the service would make of an entry."""

from threading import Lock
from time import time_ns
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from starlette.concurrency import run_in_threadpool

from telemetry.explain import Explainer, Unreadable, messages_of

__all__ = ["explain_router"]

_MAX_BODY_BYTES = 1 << 20


def explain_router(explainer: Explainer) -> APIRouter:
    """Give the route. It knows the addresses that the service knows; entries sent here are counted nowhere."""
    router = APIRouter()
    one_at_a_time = Lock()

    def explained(text: bytes) -> dict[str, Any]:
        messages = list(messages_of(text))
        with one_at_a_time:
            explanation = explainer.explain(messages, time_ns())
        return dict(jsonable_encoder(explanation.as_json(), custom_encoder={bytes: bytes.hex}))

    @router.post("/api/v1/explain")
    async def explain(request: Request) -> dict[str, Any]:
        """Explain entries: protobuf's JSON form, or objects or lines of Envoy's file access log; up to 1 MiB."""
        try:
            return await run_in_threadpool(explained, await _body(request))
        except Unreadable as error:
            raise HTTPException(422, str(error)) from None

    return router


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        if size_bytes > _MAX_BODY_BYTES:
            raise HTTPException(413, "at most 1 MiB; send fewer entries")
        pieces.append(piece)
    return b"".join(pieces)
