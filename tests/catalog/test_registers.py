"""The registers, as the service uses them: who is asked first, what is counted, what keeps it from being ready."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from telemetry.config import MeshSettings
from telemetry.errors import ConfigError
from telemetry.mesh.workload import Workload
from telemetry.registers import Registers
from telemetry.selfmetrics import SelfMetrics
from tests.kubernetes.server import serving
from tests.kubernetes.things import pod
from tests.kubernetes.watching import QUICK, until

CATALOG = "services: [{name: net, addresses: [10.0.0.0/8]}]"


def settings(**more: object) -> MeshSettings:
    return MeshSettings.model_validate(more)


async def test_kubernetes_is_asked_first_then_nodes_then_the_catalog(tmp_path: Path) -> None:
    catalog, kubeconfig = tmp_path / "services.yaml", tmp_path / "kubeconfig"
    metrics = SelfMetrics()
    async with serving() as server:
        await asyncio.to_thread(catalog.write_text, CATALOG)
        await asyncio.to_thread(kubeconfig.write_text, server.kubeconfig())
        server.put("pods", pod("shop", "x", "10.0.0.1"))
        configured = settings(catalog=catalog, kubernetes={**QUICK, "kubeconfig": kubeconfig})
        async with Registers(configured, metrics) as registers:
            assert registers.not_ready()["kubernetes pods"] == "not listed yet"
            task = asyncio.create_task(registers.run())
            await until(lambda: not registers.not_ready())
            registers.addresses.learn("10.0.0.1", Workload(name="node"))
            registers.addresses.learn("10.0.0.2", Workload(name="node"))
            found = [registers.addresses.find(f"10.0.0.{number}") for number in (1, 2, 3)]
            assert [one.name for one in found if one] == ["x", "node", "net"]
            registers.measure()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def counted(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    assert counted("telemetry_catalog_services") == 1
    assert counted("telemetry_kubernetes_objects", kind="pods") == 1
    assert counted("telemetry_kubernetes_relists_total", kind="pods", reason="start") == 1


async def test_with_nothing_configured_there_is_nothing_to_wait_for() -> None:
    async with Registers(settings(), SelfMetrics()) as registers:
        await registers.run()
        assert registers.not_ready() == {}
        assert registers.addresses.find("10.0.0.1") is None


def test_a_catalog_with_faults_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("services: [{}]")
    with pytest.raises(ConfigError, match="name: is missing"):
        Registers(settings(catalog=file), SelfMetrics())


async def test_a_reload_is_counted_by_what_it_came_to(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    await asyncio.to_thread(file.write_text, CATALOG)
    metrics = SelfMetrics()
    registers = Registers(settings(catalog=file), metrics)
    await asyncio.to_thread(file.write_text, "services: [{}, {}]")
    registers.catalog.poll()
    registers.catalog.poll()
    assert metrics.registry.get_sample_value("telemetry_catalog_reloads_total", {"result": "refused"}) == 1
