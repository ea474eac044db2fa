"""`GET /api/v1/edges`: every edge with all that is known of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from telemetry.edges import Reader
from telemetry.graph import By
from telemetry.graph.details import details_of
from telemetry.graph.elements import shown
from telemetry.http.asking import Mesh, Page, answer, header, page_of
from telemetry.http.graph import Names, rated_graph
from telemetry.http.problems import PROBLEMS, ProblemRoute

__all__ = ["edges_router"]


class EdgesQuery(Page):
    """Which edges."""

    by: Annotated[By, Field(description="What an edge's ends are.")] = By.WORKLOAD
    namespace: Annotated[Names, Field(description="Only edges with an end in there; may be repeated.")] = ()
    source: Annotated[str | None, Field(description="Only from there: id, namespace/name, or name.")] = None
    target: Annotated[str | None, Field(description="Only to there: id, namespace/name, or name.")] = None
    protocol: Annotated[str | None, Field(description="Only http, grpc or tcp.")] = None


def edges_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/edges", responses=PROBLEMS, response_class=Response)
    async def edges(query: Annotated[EdgesQuery, Query()]) -> Response:
        """List edges: rates, responses by code and flags, blame, latency taken apart, bytes, mTLS and identities.

        `requests_paired`, `_source_only` and `_destination_only` say which ends told of the requests, `missing_…` how
        many reports ought to have come and did not. `next` is the cursor of the next page.
        """
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query))

    return router


def _answered(mesh: Mesh, reader: Reader, query: EdgesQuery) -> Response:
    graph = rated_graph(mesh, reader, query.asked(mesh.clock_s()), query.by, query.namespace)
    nodes = graph.nodes.to_dicts()
    source, target = (None if one is None else set(graph.find(one)) for one in (query.source, query.target))
    found: list[tuple[str, dict[str, Any]]] = []
    for row in shown(graph.edges).iter_rows(named=True):
        if source is not None and row["source"] not in source:
            continue
        if target is not None and row["target"] not in target:
            continue
        if query.protocol is None or row["protocol"] == query.protocol:
            found.append((_key(nodes, row), row))
    page, after = page_of(sorted(found, key=lambda one: one[0]), lambda one: one[0], query)
    details = details_of(reader, graph.window, [row["members"] for _, row in page])
    items = [_item(nodes, row, more) for (_, row), more in zip(page, details, strict=True)]
    return answer({**header(mesh, graph.window), "by": query.by, "edges": items, "next": after})


def _key(nodes: list[dict[str, Any]], row: dict[str, Any]) -> str:
    return f"{nodes[row['source']]['id']} {nodes[row['target']]['id']} {row['protocol'] or ''}"


def _item(nodes: list[dict[str, Any]], row: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    ends = {"source": nodes[row["source"]], "target": nodes[row["target"]]}
    return {name: value for name, value in row.items() if name != "members"} | ends | details
