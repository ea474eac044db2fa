"""`GET /api/v1/health`: how everyone is, as Kiali says it and by what was promised."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from telemetry.edges import Reader
from telemetry.health import Burn, Health, Status, Subject, burns
from telemetry.http.asking import Mesh, Page, answer, header, healths, page_of
from telemetry.http.graph import Names
from telemetry.http.problems import PROBLEMS, ProblemRoute

__all__ = ["health_router"]


class HealthQuery(Page):
    """Whose health."""

    by: Annotated[Subject, Field(description="Whose health.")] = Subject.SERVICE
    namespace: Annotated[Names, Field(description="Only of these namespaces; may be repeated.")] = ()
    window: Annotated[str, Field(description="Of which requests; Kiali looks at 5m.", examples=["5m"])] = "5m"


def health_router(mesh: Mesh) -> APIRouter:
    """Give the route."""
    router = APIRouter(route_class=ProblemRoute, tags=["mesh"])

    @router.get("/api/v1/health", responses=PROBLEMS, response_class=Response)
    async def health(query: Annotated[HealthQuery, Query()]) -> Response:
        """Show the health of services, workloads or apps, the worst of two: Kiali's, and the catalog's objectives.

        `requests`: Kiali's status and the percentage of errors behind it. `objectives` (services): for each promise of
        the catalog how many times as fast as allowed its error budget burns, over 5m, 30m, 1h, 6h and 3d; `firing`
        names the pairs of windows in which that is too fast. `next` is the cursor of the next page.
        """
        return await mesh.store.ask(lambda reader: _answered(mesh, reader, query))

    return router


def _answered(mesh: Mesh, reader: Reader, query: HealthQuery) -> Response:
    now_s = mesh.clock_s()
    window = query.asked(now_s)
    judged = dict(healths(reader, window, query.by))
    promised = burns(reader, mesh.catalog.index.services, window.end_s) if query.by is Subject.SERVICE else {}
    called = {service.key for who in judged if (service := mesh.owner(*who))}
    for service in mesh.catalog.index.services:
        rates = [rate for burn in promised.get(service.key, ()) for rate in burn.rates.values()]
        if service.key not in called and any(rate is not None for rate in rates):
            # Its budget may burn though nobody has called in these minutes.
            judged.setdefault((service.namespace, service.name), Health(Status.NA, None))
    rows = [_item(mesh, who, health, promised) for who, health in judged.items()]
    wanted = [row for row in rows if not query.namespace or row["namespace"] in query.namespace]
    items, after = page_of(sorted(wanted, key=_key), _key, query)
    return answer({**header(mesh, reader.aligned(window)), "by": query.by, "items": items, "next": after})


def _item(
    mesh: Mesh, who: tuple[str | None, str], health: Health, promised: Mapping[str, Sequence[Burn]]
) -> dict[str, Any]:  # fmt: skip
    service = mesh.owner(*who)
    found = promised.get(service.key, ()) if service else ()
    status = max([health.status, *(burn.status for burn in found)])
    return {
        "namespace": who[0],
        "name": who[1],
        "status": str(status),
        "requests": {"status": str(health.status), "error_percent": health.error_percent},
        "objectives": [_objective(burn) for burn in found],
    }


def _objective(burn: Burn) -> dict[str, Any]:
    promise = "availability" if burn.threshold_s is None else "latency"
    return {
        "objective": promise,
        "threshold_s": burn.threshold_s,
        "allowed_ratio": burn.allowed_ratio,
        "burn_rates": {_span(span): rate for span, rate in sorted(burn.rates.items())},
        "firing": [f"{_span(pair.short_s)}/{_span(pair.long_s)}" for pair in burn.firing],
        "budget_spent_ratio": burn.spent_ratio,
        "status": str(burn.status if any(rate is not None for rate in burn.rates.values()) else Status.NA),
    }


def _span(seconds: int) -> str:
    unit, size = next((unit, size) for unit, size in (("d", 86400), ("h", 3600), ("m", 60)) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _key(row: dict[str, Any]) -> str:
    return f"{row['namespace'] or ''}/{row['name']}"
