"""Health, readiness, the index page, and the headers that guard them."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse

from telemetry.http.app import create_app


def app_with(reasons: dict[str, str]) -> FastAPI:
    router = APIRouter()

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        """Show <all> metrics."""
        return "up 1\n"

    return create_app(routers=[router], ready=lambda: reasons)


async def get(path: str, reasons: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app_with(reasons or {}))
    async with httpx.AsyncClient(transport=transport, base_url="http://telemetry") as client:
        return await client.get(path)


async def test_a_live_process_is_healthy_ready_or_not() -> None:
    response = await get("/healthz", {"service": "starting"})
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_a_service_without_reasons_against_it_is_ready() -> None:
    response = await get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "reasons": {}, "warnings": {}})


async def test_a_service_that_is_not_ready_says_why() -> None:
    response = await get("/readyz", {"service": "draining"})
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reasons": {"service": "draining"}, "warnings": {}}


async def test_readiness_is_asked_anew_each_time() -> None:
    reasons = {"service": "starting"}
    transport = httpx.ASGITransport(app_with(reasons))
    async with httpx.AsyncClient(transport=transport, base_url="http://telemetry") as client:
        assert (await client.get("/readyz")).status_code == 503
        reasons.clear()
        assert (await client.get("/readyz")).status_code == 200


async def test_the_index_links_to_everything_and_escapes_what_it_says() -> None:
    page = (await get("/")).text
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert f'<a href="{path}">' in page
    assert "Show &lt;all&gt; metrics." in page


async def test_the_index_may_load_and_run_nothing() -> None:
    response = await get("/")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in response.text


@pytest.mark.parametrize("path", ["/", "/metrics", "/readyz", "/absent"])
async def test_no_browser_may_guess_a_type(path: str) -> None:
    assert (await get(path)).headers["x-content-type-options"] == "nosniff"


async def test_routers_are_mounted_and_described() -> None:
    assert (await get("/metrics")).text == "up 1\n"
    assert set((await get("/openapi.json")).json()["paths"]) == {"/healthz", "/readyz", "/metrics"}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_there_is_no_page_that_runs_scripts_of_others(path: str) -> None:
    assert (await get(path)).status_code == 404
