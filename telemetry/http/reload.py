"""`POST /-/reload`: read the configuration file again, as Prometheus does."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from telemetry.reload import Outcome

__all__ = ["reload_router"]


def reload_router(reload: Callable[[str], Awaitable[Outcome]] | None) -> APIRouter:
    """Make the router. None: the service was started without a file."""
    router = APIRouter()

    @router.post("/-/reload", responses={409: {"description": "Refused; `faults` lists why. Nothing has changed."}})
    async def reload_now() -> JSONResponse:
        """Read the configuration file again, and apply what differs."""
        if reload is None:
            return JSONResponse({"faults": ["the service was started without --config: nothing to read"]}, 409)
        outcome = await reload("POST /-/reload")
        return JSONResponse(_told(outcome), 409 if outcome.faults else 200)

    return router


def _told(outcome: Outcome) -> dict[str, Any]:
    if outcome.faults:
        return {"faults": list(outcome.faults)}
    return {"changes": [str(change) for change in outcome.changes], "seconds": outcome.seconds}
