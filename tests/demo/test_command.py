"""`telemetry demo` as its user runs it, with the real service and a real Prometheus."""

import asyncio
import re
import signal
import sys

import psutil
import pytest

from telemetry.demo.mesh import python_environment
from telemetry.demo.waiting import holds_within

pytestmark = pytest.mark.real


@pytest.fixture
async def demo(free_port, envoy_binary, prometheus_binary, tmp_path):
    """Start the command with ports of its own; what it left running is an error of the test."""
    children = []

    async def start(*options, prometheus=True):
        prometheus_address = f"127.0.0.1:{free_port()}" if prometheus else ""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "import typer; from telemetry.cli.demo import demo; typer.run(demo)"),
            *("--als-address", f"127.0.0.1:{free_port()}", "--http-address", f"127.0.0.1:{free_port()}"),
            *("--prometheus-address", prometheus_address, *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**python_environment(), "TMPDIR": str(tmp_path)},
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def test_a_bounded_run_ends_with_every_count_equal_to_the_envoys_own(demo, tmp_path):
    folder = tmp_path / "kept"
    child = await demo("--seconds", "5", "--keep", str(folder))
    output, _ = await asyncio.wait_for(child.communicate(), 60)
    text = output.decode()
    assert child.returncode == 0, text
    assert re.search(r"istio_requests_total +destination +reviews-v3 +ratings-v1 +200", text)
    assert re.search(r"istio_tcp_sent_bytes_total +source +ratings-v1 +mongodb-v1", text)
    assert (folder / "productpage-v1.envoy.json").stat().st_size > 0
    assert (folder / "productpage-v1.access.jsonl").stat().st_size > 0
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_stops_all_that_was_started_and_leaves_nothing(interrupt, demo, tmp_path):
    child = await demo(prometheus=False)
    process = psutil.Process(child.pid)

    async def complete():
        return sum(one.name() == "envoy" for one in process.children()) == 8

    assert await holds_within(complete, deadline_s=30)
    started = process.children(recursive=True)
    child.send_signal(interrupt)
    output, _ = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 0, output.decode()
    assert not [one for one in started if one.is_running()]
    assert list(tmp_path.iterdir()) == []


async def test_an_unusable_address_ends_the_run_at_once(demo):
    child = await demo("--http-address", "127.0.0.1:1x")
    output, _ = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == 1
    assert b"write it like" in output
