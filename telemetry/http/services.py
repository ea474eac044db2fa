"""`GET /api/v1/services`: every service that was called, or that the catalog has."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from telemetry.edges import Reader
from telemetry.graph import By, Graph
from telemetry.graph.decorating import decorated
from telemetry.graph.elements import shown
from telemetry.graph.impact import owner_of
from telemetry.graph.rates import rated
from telemetry.graph.sums import by_target
from telemetry.health import Subject
from telemetry.http.asking import Mesh, Page, answer, header, healths, page_of
from telemetry.http.graph import Names, built
from telemetry.http.problems import PROBLEMS, ProblemRoute

__all__ = ["services_router"]


class ServicesQuery(Page):
    """Which services."""

    namespace: Annotated[Names, Field(description="Only of these namespaces; may be repeated.")] = ()


def services_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/services", responses=PROBLEMS, response_class=Response)
    async def services(query: Annotated[ServicesQuery, Query()]) -> Response:
        """List services with their golden signals as callers see them, health, saturation and owners, by name.

        Services of the catalog without traffic are listed too, as `idle`. `next` is the cursor of the next page.
        """
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query))

    return router


def _answered(mesh: Mesh, reader: Reader, query: ServicesQuery) -> Response:
    graph, lasted_s = built(mesh, reader, query.asked(mesh.clock_s()), By.SERVICE)
    found = {_key(row): row for row in _idle(mesh)}
    found.update((_key(row), row) for row in _seen(mesh, reader, graph, lasted_s))
    wanted = [row for row in found.values() if not query.namespace or row["namespace"] in query.namespace]
    items, after = page_of(sorted(wanted, key=_key), _key, query)
    return answer({**header(mesh, graph.window), "services": items, "next": after})


def _seen(mesh: Mesh, reader: Reader, graph: Graph, lasted_s: float) -> Iterator[dict[str, Any]]:
    """Yield the services of a graph: those that were called with signals, those that only call without."""
    judged = healths(reader, graph.window, Subject.SERVICE)
    signals = rated(by_target(graph), lasted_s).drop("concurrency", "error_ratio", "requests_per_s")
    nodes = decorated(replace(graph, edges=rated(graph.edges, lasted_s)), judged, mesh.owner, mesh.headroom).nodes
    renamed = nodes.rename({"in.requests_per_s": "requests_per_s", "in.error_ratio": "error_ratio"})
    numbered = renamed.with_row_index("target").join(signals, on="target", how="left", maintain_order="left")
    for row in shown(numbered.drop("target")).iter_rows(named=True):
        if row["kind"] == By.SERVICE:
            yield {**row, "idle": False, **owner_of(mesh.owner(row["namespace"], row["name"]))}


def _idle(mesh: Mesh) -> Iterator[dict[str, Any]]:
    for service in mesh.catalog.index.services:
        yield {
            "kind": "service",
            "namespace": service.namespace,
            "name": service.name,
            "idle": True,
            **owner_of(service),
        }


def _key(row: dict[str, Any]) -> str:
    return f"{row['namespace'] or ''}/{row['name']}"
