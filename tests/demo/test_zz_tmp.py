import asyncio, pytest, httpx, time
from telemetry.demo.traffic import Traffic
pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]
async def test_x(als, mesh):
    for sig in range(3):
        e0=als[0].entries.total(); f0=mesh.access_logs().height
        async with Traffic(mesh.gateway_url, per_s=1) as t:
            await asyncio.gather(*(t.ask("/api/v1/products/3") for _ in range(30)))
        for w in ("istio-ingressgateway","productpage-v1","details-v1"):
            await mesh.restart(w)
        await asyncio.sleep(1.5)
        print("als", als[0].entries.total()-e0, "file", mesh.access_logs().height-f0)
