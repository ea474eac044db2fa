"""`POST /api/v1/explain`: what the service would make of an entry."""

import asyncio
from collections.abc import Callable
from itertools import islice
from time import time_ns
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from starlette.concurrency import run_in_threadpool

from telemetry import native
from telemetry.explain import Explainer, Unreadable, messages_of

__all__ = ["explain_router"]

_MAX_BODY_BYTES = 1 << 20
_MAX_ENTRIES = 50


def explain_router(explainer: Callable[[], Explainer]) -> APIRouter:
    """Give the route. `explainer`: the present one. Entries sent here are counted nowhere."""
    router = APIRouter()
    one_at_a_time = asyncio.Lock()

    def explained(text: bytes) -> dict[str, Any]:
        messages = list(islice(messages_of(text), _MAX_ENTRIES + 1))
        if len(messages) > _MAX_ENTRIES or sum(native.inspect(one)[1] for one in messages) > _MAX_ENTRIES:
            raise Unreadable(f"at most {_MAX_ENTRIES} entries; send fewer")
        explanation = explainer().explain(messages, time_ns())
        return dict(jsonable_encoder(explanation.as_json(), custom_encoder={bytes: bytes.hex}))

    @router.post("/api/v1/explain")
    async def explain(request: Request) -> dict[str, Any]:
        """Explain entries: protobuf's JSON form, or objects or lines of Envoy's file access log; up to 50."""
        try:
            text = await _body(request)
            # One after the other, waiting here: threads are shared with /metrics.
            async with one_at_a_time:
                return await run_in_threadpool(explained, text)
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
