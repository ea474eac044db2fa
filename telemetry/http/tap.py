"""`GET /api/v1/tap`: live rows as lines of JSON, for as long as the client stays."""

from dataclasses import asdict
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from telemetry.batch import Template
from telemetry.expressions import ExpressionError
from telemetry.http.problems import PROBLEMS, Problem, ProblemRoute
from telemetry.tapping import MAX_ROWS_PER_S, Busy, Tap, Taps, view_of

__all__ = ["tap_router"]

log = structlog.get_logger(__name__)

_DOCS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/x-ndjson": {}},
        "description": "A line for each row, redacted as everything is; each second, and at the end, a line whose only "
        "key is `tap`: how many rows were seen, matched, shown, sampled out and dropped, and why it ends.",
    },
    422: {
        **PROBLEMS[422],
        "description": "`match` is no expression over these rows (`detail` shows where), or a column is unknown.",
    },
    429: {**PROBLEMS[422], "description": "There are as many taps as there may be."},
}


def tap_router(taps: Taps) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute)

    @router.get("/api/v1/tap", responses=_DOCS, response_class=StreamingResponse)
    async def tap(
        template: Template = Template.LOGENTRY,
        match: str = "",
        columns: Annotated[list[str] | None, Query()] = None,
        limit: Annotated[int | None, Query(ge=1)] = None,
        max_rows_per_s: Annotated[float, Query(gt=0, le=MAX_ROWS_PER_S)] = 100.0,
    ) -> StreamingResponse:
        """Stream the rows that match a CEL expression, from now on."""
        try:
            view = view_of(template, match, columns or (), limit, max_rows_per_s)
            return _Stream(taps, taps.open(view))
        except (ExpressionError, ValueError) as error:
            raise Problem(422, str(error)) from None
        except Busy as error:
            raise Problem(429, str(error)) from None

    return router


class _Stream(StreamingResponse):
    """Releases its tap when the client is gone, too."""

    def __init__(self, taps: Taps, tap: Tap) -> None:
        super().__init__(tap.lines(), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})
        self._taps, self._tap = taps, tap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view, peer = self._tap.view, (scope.get("client") or ("unknown",))[0]
        # Who looks at people's requests is worth a line.
        log.info("tap opened", peer=peer, template=str(view.template), match=view.match)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._taps.release(self._tap)
            log.info("tap ended", peer=peer, template=str(view.template), match=view.match, **asdict(self._tap.counts))
