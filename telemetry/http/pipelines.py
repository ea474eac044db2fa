"""`GET /debug/pipelines`: each handler's cursor, lag, rate, last error, and where its rows are."""

import html
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from telemetry.delivery import Status

__all__ = ["pipelines_router"]

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Pipelines</title></head>
<body>
<h1>Pipelines</h1>
{problems}<table border="1">
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""
_DOCS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "JSON, or a table for who asks for text/html first."}
}


def pipelines_router(
    statuses: Callable[[], Sequence[Status]], problems: Callable[[], Mapping[str, str]] = dict
) -> APIRouter:
    """Give the route. `statuses` is asked at each request; `problems` are the journal's, by part."""
    router = APIRouter()

    @router.get("/debug/pipelines", responses=_DOCS)
    async def pipelines(request: Request) -> Response:
        """Show each handler: cursor, lag, rate, last error, and where its rows are. JSON; a table in a browser."""
        found, troubles = statuses(), dict(problems())
        if _browser(request.headers.get("accept", "")):
            return HTMLResponse(_page(found, troubles), headers={"Vary": "Accept"})
        body = {"handlers": [one.as_json() for one in found], "journal": {"problems": troubles}}
        return JSONResponse(body, headers={"Vary": "Accept"})

    return router


def _browser(accept: str) -> bool:
    """Whether the client names HTML, and not JSON before it."""
    kinds = [kind.partition(";")[0].strip() for kind in accept.lower().split(",")]
    html_at, json_at = (kinds.index(kind) if kind in kinds else None for kind in ("text/html", "application/json"))
    return html_at is not None and (json_at is None or html_at < json_at)


def _page(statuses: Sequence[Status], problems: Mapping[str, str]) -> str:
    rows = [_cells(status) for status in statuses]
    heads = rows[0] if rows else {"handler": ""}
    listed = "".join(f"<li>{html.escape(part)}: {html.escape(why)}</li>" for part, why in problems.items())
    return _PAGE.format(
        problems=f"<p>The journal:</p><ul>{listed}</ul>\n" if problems else "",
        heads="".join(f"<th>{html.escape(name)}</th>" for name in heads),
        rows="\n".join(f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row.values())}</tr>"
                       for row in rows),
    )  # fmt: skip


def _cells(status: Status) -> dict[str, Any]:
    account = status.account
    when = datetime.fromtimestamp((status.last_error_ns or 0) / 1e9, UTC)
    dropped = ", ".join(f"{rows} {reason}" for reason, rows in sorted(account.dropped_by.items()))
    return {
        "handler": status.handler,
        "adapter": status.adapter,
        "takes": ", ".join(status.templates),
        "state": status.state.replace("_", " "),
        "cursor": status.cursor,
        "lag": f"{status.lag_batches} batches, {status.lag_s:.1f} s",
        "rows/s": f"{status.rate_rows_per_s:.1f}",
        "offered": account.offered,
        "delivered": account.delivered,
        "filtered": account.filtered,
        "sampled out": account.sampled_out,
        "dropped": dropped or 0,
        "dead letters": account.dead_lettered,
        "pending": account.pending,
        "unaccounted": account.unaccounted,
        "failures in a row": status.consecutive_failures,
        "last error": f"{when:%Y-%m-%d %H:%M:%S} {status.last_error}" if status.last_error_ns else "",
    }
