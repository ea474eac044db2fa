"""`GET /api/v1/impact`: who must be told."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from telemetry.edges import Reader
from telemetry.graph import By
from telemetry.graph.impact import impact_of
from telemetry.http.asking import Mesh, Windowed, answer, header
from telemetry.http.graph import rated_graph
from telemetry.http.problems import PROBLEMS, Problem, ProblemRoute

__all__ = ["impact_router"]


class ImpactQuery(Windowed):
    """Whose impact."""

    service: Annotated[str, Field(description="The service: id, namespace/name, or name.", max_length=2000)]
    window: Annotated[str, Field(description="How long back traffic counts: 1h, 7d.", examples=["7d"])] = "1d"


def impact_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/impact", responses=PROBLEMS, response_class=Response)
    async def impact(query: Annotated[ImpactQuery, Query()]) -> Response:
        """Show who calls a service, directly or not, how much and how recently, with owners and contacts.

        The reverse too: what it depends on. `cycle`: services that call each other in a circle with it.
        `single_points_of_failure`: those that all its traffic from outside goes through; `cuts_off`: those that get
        none without it.
        """
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query))

    return router


def _answered(mesh: Mesh, reader: Reader, query: ImpactQuery) -> Response:
    graph = rated_graph(mesh, reader, query.asked(mesh.clock_s()), By.SERVICE)
    found = graph.find(query.service)
    if not found:
        raise Problem(404, "service: had no traffic in this window; ask for a longer one. /api/v1/services lists them")
    if len(found) > 1:
        ids = ", ".join(graph.nodes["id"].gather(found).to_list()[:10])
        raise Problem(422, f"service: several have that name; say which by its id: {ids}")
    return answer({**header(mesh, graph.window), "service": impact_of(graph, found[0], mesh.owner)})
