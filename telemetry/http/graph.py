"""`GET /api/v1/graph`: who calls whom, as JSON for Cytoscape, DOT or Mermaid."""

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from telemetry.edges import Reader, Window
from telemetry.graph import By, Graph, build, focused
from telemetry.graph.decorating import decorated
from telemetry.graph.dot import dot
from telemetry.graph.elements import elements
from telemetry.graph.mermaid import mermaid
from telemetry.graph.rates import rated
from telemetry.health import Subject
from telemetry.http.asking import Mesh, Windowed, answer, header, healths
from telemetry.http.problems import PROBLEMS, Problem, ProblemRoute

__all__ = ["GraphQuery", "Names", "built", "graph_router", "rated_graph"]

_TEXTS = {"dot": (dot, "text/vnd.graphviz"), "mermaid": (mermaid, "text/vnd.mermaid")}
_SUBJECTS = {By.SERVICE: Subject.SERVICE, By.WORKLOAD: Subject.WORKLOAD, By.APP: Subject.APP}
Names = Annotated[tuple[str, ...], Field(max_length=100)]


class GraphQuery(Windowed):
    """Which part of the graph, and in what form."""

    by: Annotated[By, Field(description="What a node is.")] = By.WORKLOAD
    namespace: Annotated[Names, Field(description="Only edges with an end in there; may be repeated.")] = ()
    focus: Annotated[
        str | None,
        Field(description="Only what is around this node: its id, namespace/name, or name.", max_length=2000),
    ] = None
    depth: Annotated[int, Field(ge=1, le=20, description="How many calls away from `focus`, either way.")] = 1
    format: Annotated[
        Literal["json", "dot", "mermaid"] | None,
        Field(description="json, dot (text/vnd.graphviz), mermaid (text/vnd.mermaid); else what Accept prefers."),
    ] = None


def graph_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])
    content: dict[str, dict[str, str]] = {
        "application/json": {},
        **{media_type: {} for _, media_type in _TEXTS.values()},
    }

    @router.get("/api/v1/graph", responses={200: {"content": content}, **PROBLEMS}, response_class=Response)
    async def graph(query: Annotated[GraphQuery, Query()], accept: Annotated[str, Header()] = "*/*") -> Response:
        """Show who calls whom: nodes and edges with rates, errors, latency, mTLS, health and saturation.

        `elements` is what Cytoscape takes; `completeness` the share of all traffic that was seen.
        """
        form = query.format or _preferred(accept)
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query, form))

    return router


def _preferred(accept: str) -> str:
    return next((form for form, (_, media_type) in _TEXTS.items() if media_type in accept.lower()), "json")


def _answered(mesh: Mesh, reader: Reader, query: GraphQuery, form: str) -> Response:
    found = rated_graph(mesh, reader, query.asked(mesh.clock_s()), query.by, query.namespace)
    if query.focus is not None:
        nodes = found.find(query.focus)
        if not nodes:
            raise Problem(404, "focus: no such node had traffic in this window; ask for a longer one, or without focus")
        found = focused(found, nodes, query.depth)
    if form in _TEXTS:
        write, media_type = _TEXTS[form]
        return Response(write(found), media_type=media_type)
    subject = _SUBJECTS.get(query.by)
    judged = healths(reader, found.window, subject) if subject else {}
    shown = decorated(found, judged, mesh.owner, mesh.headroom)
    return answer({**header(mesh, shown.window), "by": query.by, "elements": elements(shown)})


def built(mesh: Mesh, reader: Reader, window: Window, by: By, namespaces: Collection[str] = ()) -> tuple[Graph, float]:
    """Build a graph, and say how much of its window has passed: the current minute has only begun."""
    found = build(reader, window, by, namespaces)
    lasted_s = min(found.window.end_s, mesh.clock_s()) - found.window.start_s
    return found, max(lasted_s, 1.0)


def rated_graph(
    mesh: Mesh, reader: Reader, window: Window, by: By, namespaces: Collection[str] = ()
) -> Graph:  # fmt: skip
    """Build a graph with rates."""
    found, lasted_s = built(mesh, reader, window, by, namespaces)
    return replace(found, edges=rated(found.edges, lasted_s))
