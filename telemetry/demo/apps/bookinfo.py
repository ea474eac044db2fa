"""What Bookinfo's four HTTP applications answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from telemetry.demo.apps.mongodb import Database
from telemetry.demo.apps.sidecar import Sidecar
from telemetry.demo.topology import Topology, Workload

__all__ = ["http_app"]

_PRODUCTS = 10
Handler = Callable[[Request], Awaitable[Response]]


def http_app(topology: Topology, workload: Workload, sidecar: Sidecar) -> Starlette:
    """Give the application of a workload. Raises KeyError when its service isn't one of the four."""
    routes = {"productpage": _productpage, "details": _details, "reviews": _reviews, "ratings": _ratings}
    handlers = routes[workload.service](topology, workload, sidecar)
    return Starlette(routes=[Route(path, _behave(handler, workload)) for path, handler in handlers.items()])


def _behave(handler: Handler, workload: Workload) -> Handler:
    async def behaving(request: Request) -> Response:
        if any(workload.delay_s):
            await asyncio.sleep(random.uniform(*workload.delay_s))  # noqa: S311 - not a secret
        if random.random() < workload.failure_ratio:  # noqa: S311 - not a secret
            return JSONResponse({"error": f"{workload.name} fails on purpose"}, 503)
        return await handler(request)

    return behaving


def _productpage(_topology: Topology, _workload: Workload, sidecar: Sidecar) -> dict[str, Handler]:
    async def page(request: Request) -> Response:
        details, reviews = await asyncio.gather(
            sidecar.get("details", "/details/0", request), sidecar.get("reviews", "/reviews/0", request)
        )
        return JSONResponse({"product": details.json(), "reviews": reviews.json()}, 200 if reviews.is_success else 503)

    async def products(_request: Request) -> Response:
        return JSONResponse([{"id": number, "title": "The Comedy of Errors"} for number in range(_PRODUCTS)])

    def pass_on(service: str) -> Handler:
        async def passing(request: Request) -> Response:
            answer = await sidecar.get(service, f"/{service}/{request.path_params['product']}", request)
            return JSONResponse(answer.json(), answer.status_code)

        return passing

    return {
        "/productpage": page,
        "/api/v1/products": products,
        "/api/v1/products/{product:int}": pass_on("details"),
        "/api/v1/products/{product:int}/reviews": pass_on("reviews"),
    }


def _details(_topology: Topology, _workload: Workload, _sidecar: Sidecar) -> dict[str, Handler]:
    async def details(request: Request) -> Response:
        product = request.path_params["product"]
        if product >= _PRODUCTS:
            return JSONResponse({"error": f"no product {product}"}, 404)
        return JSONResponse({"id": product, "author": "William Shakespeare", "year": 1595, "pages": 200})

    return {"/details/{product:int}": details}


def _reviews(_topology: Topology, workload: Workload, sidecar: Sidecar) -> dict[str, Handler]:
    rated = workload.version != "v1"

    async def reviews(request: Request) -> Response:
        product = request.path_params["product"]
        body = {"id": product, "version": workload.version, "reviews": ["An entertaining play."]}
        if rated:
            answer = await sidecar.get("ratings", f"/ratings/{product}", request)
            # As Bookinfo does: reviews without stars are better than no reviews.
            body["ratings"] = answer.json() if answer.is_success else "unavailable"
        return JSONResponse(body)

    return {"/reviews/{product:int}": reviews}


def _ratings(topology: Topology, workload: Workload, _sidecar: Sidecar) -> dict[str, Handler]:
    port = topology.service("mongodb").port
    database = Database(workload.address, port, workload.address)

    async def ratings(request: Request) -> Response:
        product = request.path_params["product"]
        stars = await database.query(f"ratings of {product}")
        return JSONResponse({"id": product, "stars": len(stars) % 5 + 1})

    return {"/ratings/{product:int}": ratings}
