"""`GET /api/v1/signals`: the golden signals of a service or an edge over time."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from telemetry.edges import Reader
from telemetry.graph import By, Graph
from telemetry.graph.series import signals as signals_of
from telemetry.http.asking import Mesh, Windowed, answer, header
from telemetry.http.graph import built
from telemetry.http.problems import PROBLEMS, Problem, ProblemRoute
from telemetry.saturation import Load, saturation_ratio

__all__ = ["signals_router"]

_MAX_POINTS = 1500


class SignalsQuery(Windowed):
    """Whose signals, and how finely."""

    target: Annotated[str, Field(description="What is called: id, namespace/name, or name.", max_length=2000)]
    source: Annotated[str | None, Field(description="Only calls from there.", max_length=2000)] = None
    by: Annotated[By, Field(description="What the two are.")] = By.SERVICE
    step: Annotated[int, Field(ge=60, le=86400, multiple_of=60, description="Seconds from point to point.")] = 60


def signals_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/signals", responses=PROBLEMS, response_class=Response)
    async def signals(query: Annotated[SignalsQuery, Query()]) -> Response:
        """Show rate, errors, latency and saturation of what is called, step by step."""
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query))

    return router


def _answered(mesh: Mesh, reader: Reader, query: SignalsQuery) -> Response:
    asked = query.asked(mesh.clock_s())
    if asked.duration_s / query.step > _MAX_POINTS:
        raise Problem(422, f"step: makes more than {_MAX_POINTS} points; take a longer step, or a shorter window")
    graph, _ = built(mesh, reader, asked, query.by)
    members = _members(graph, query)
    points = signals_of(reader, graph.window, query.step, members)
    for point in points:
        point["saturation_ratio"] = _saturation(mesh, graph, query, point)
        point["time"] = datetime.fromtimestamp(point["time"], UTC).isoformat().replace("+00:00", "Z")
    return answer({**header(mesh, graph.window), "step_s": query.step, "points": points})


def _members(graph: Graph, query: SignalsQuery) -> list[int]:
    targets = graph.find(query.target)
    sources = None if query.source is None else graph.find(query.source)
    if not targets or sources == []:
        missing = "target" if not targets else "source"
        raise Problem(404, f"{missing}: had no traffic in this window; GET /api/v1/services lists what had")
    rows = graph.edges.select("source", "target", "members").iter_rows()
    wanted = [
        members for source, target, members in rows if target in targets and (sources is None or source in sources)
    ]
    return [edge for members in wanted for edge in members]


def _saturation(mesh: Mesh, graph: Graph, query: SignalsQuery, point: dict[str, Any]) -> float | None:
    if query.by is not By.SERVICE:
        return None
    namespace, name = graph.nodes.select("namespace", "name").row(graph.find(query.target)[0])
    return saturation_ratio(Load(point["requests_per_s"], point["concurrency"]), mesh.capacity(namespace, name))
