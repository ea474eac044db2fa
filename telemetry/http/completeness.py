"""`GET /api/v1/completeness`: how much of the traffic we see, and why not all of it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from telemetry.completeness import Completeness, Report, Share, WorkloadShare
from telemetry.http.asking import Page, answer, page_of
from telemetry.http.graph import Names
from telemetry.http.problems import PROBLEMS, Problem, ProblemRoute

__all__ = ["completeness_router"]


class CompletenessQuery(BaseModel):
    """Whose completeness."""

    model_config = ConfigDict(extra="forbid")

    namespace: Annotated[Names, Field(description="Only of these namespaces; may be repeated.")] = ()
    below: Annotated[
        float | None, Field(ge=0, le=1, description="Only workloads with a smaller share, or an unknown one.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many items.")] = 100
    cursor: Annotated[str | None, Field(description="Where the last page ended: its `next`.", max_length=4096)] = None


def completeness_router(completeness: Completeness) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/completeness", responses=PROBLEMS, response_class=Response)
    async def shares(query: Annotated[CompletenessQuery, Query()]) -> Response:
        """Compare what Envoys say they have handled with the entries that came, per workload, over the last minutes.

        `expected`: requests that ended (`http`), connections opened (`tcp`), by the Envoys' own counters; `seen`: those
        of them with an entry; `ratio`: the share, null where nobody knows. `reasons` say why it is below 1. Envoys
        without metrics are in `unknown_envoys`, and in no number. `next` is the cursor of the next page.
        """
        report = completeness.report
        if not report.time_ns:
            raise Problem(503, "nothing has been compared yet: ask again in half a minute")
        return _answered(report, query)

    return router


def _answered(report: Report, query: CompletenessQuery) -> Response:
    rows = [_item(one) for one in report.workloads if _wanted(one, query)]
    page = Page(limit=query.limit, cursor=query.cursor)
    items, after = page_of(sorted(rows, key=_key), _key, page)
    time_s = report.time_ns / 1e9
    head = {"from": _iso(time_s - report.window_s), "to": _iso(time_s), "completeness": report.all.ratio}
    return answer({**head, **_share(report.all), "items": items, "next": after})


def _wanted(one: WorkloadShare, query: CompletenessQuery) -> bool:
    if query.namespace and one.namespace not in query.namespace:
        return False
    ratio = one.all.ratio
    return query.below is None or ratio is None or ratio < query.below


def _item(one: WorkloadShare) -> dict[str, Any]:
    reasons = [{"reason": why.reason, "count": why.count, "explanation": why.explanation} for why in one.reasons]
    return {
        "workload": one.workload,
        "namespace": one.namespace,
        "cluster": one.cluster,
        "envoys": one.envoys,
        "unknown_envoys": one.unknown_envoys,
        **_share(one.all),
        "http": _share(one.http),
        "tcp": _share(one.tcp),
        "reasons": reasons,
    }


def _share(share: Share) -> dict[str, float | None]:
    return {"expected": share.expected, "seen": share.seen, "ratio": share.ratio}


def _key(row: dict[str, Any]) -> str:
    return f"{row['namespace'] or ''}/{row['workload'] or ''}/{row['cluster'] or ''}"


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
