"""Errors as RFC 9457 has them (`application/problem+json`): what is wrong, and what to do."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse

__all__ = ["PROBLEMS", "Problem", "ProblemRoute"]

_TYPE = "application/problem+json"
_TITLES = {404: "Not found", 422: "The question can't be answered as it is", 503: "Not ready"}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": title, "content": {_TYPE: {}}} for status, title in _TITLES.items()
}
"""For a route's `responses`."""


class Problem(Exception):  # noqa: N818 - as the RFC calls it
    """Ends a request; `detail` says what to do."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def response(self) -> Response:
        """Give what the client gets."""
        title = _TITLES.get(self.status, "Error")
        body = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return JSONResponse(body, self.status, media_type=_TYPE)


class ProblemRoute(APIRoute):
    """A route whose errors are problems."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                return problem.response()
            except RequestValidationError as error:
                return Problem(422, "; ".join(_sentence(one) for one in error.errors())).response()

        return answer


def _sentence(error: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"][1:]) or "query"
    known = "no such parameter; /openapi.json lists them" if error["type"] == "extra_forbidden" else error["msg"]
    return f"{name}: {known}"
