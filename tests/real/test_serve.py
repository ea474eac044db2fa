"""`telemetry serve` as a process: how it ends, and how it refuses to start."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.service.running import Envoy
from tests.wire import inbound, message, node

pytestmark = pytest.mark.real

DEADLINE_S = 20
Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def ports(free_port: Callable[[], int]) -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start the command on these ports; whatever still runs in the end is killed."""
    children = []

    def start(als: int, http: int, **more: object) -> subprocess.Popen[str]:
        file = tmp_path / f"{len(children)}.yaml"
        listeners = {"receiver": {"grpc": {"address": f"127.0.0.1:{als}"}}, "http": {"address": f"127.0.0.1:{http}"}}
        file.write_text(yaml.safe_dump({**listeners, **more}))
        command = (sys.executable, "-m", "telemetry", "serve", "-c", str(file))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


def ready(child: subprocess.Popen[str], http: int) -> bool:
    return child.poll() is None and answers(f"http://127.0.0.1:{http}/readyz")


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def end_of(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for it; gives its exit code, stdout and stderr."""
    out, err = child.communicate(timeout=DEADLINE_S)
    return child.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0_and_all_delivered(
    serve: Serve, ports: tuple[int, int], number: signal.Signals
) -> None:
    child = serve(*ports, shutdown={"deadline": "5s"})
    until(lambda: ready(child, ports[1]))
    envoy = Envoy(ports[0])
    # Never ends its stream: as Envoys don't.
    await envoy.send(message(inbound(), inbound(), sender=node()))
    page = f"http://127.0.0.1:{ports[1]}/metrics"
    until(lambda: "telemetry_receiver_messages_total 1.0" in httpx.get(page).text)
    child.send_signal(number)
    began = time.monotonic()
    code, out, err = end_of(child)
    await envoy.drop()
    assert (code, out) == (0, "")
    assert time.monotonic() - began < 5
    # Four of Istio's metrics at least; and nothing that was offered is left.
    offered = re.search(r"offered (\d+), delivered \1, filtered 0, sampled out 0, dead-lettered 0, dropped 0", err)
    assert offered
    assert int(offered[1]) >= 4
    assert "Traceback" not in err


@pytest.mark.parametrize("taken", [0, 1])
def test_a_second_one_on_a_taken_port_exits_with_1_and_names_it(
    serve: Serve, ports: tuple[int, int], free_port: Callable[[], int], taken: int
) -> None:
    first = serve(*ports)
    until(lambda: ready(first, ports[1]))
    others = [free_port(), free_port()]
    others[taken] = ports[taken]
    code, _, err = end_of(serve(*others))
    assert code == 1
    told = err.splitlines()[-1]
    assert f"127.0.0.1:{ports[taken]}" in told
    assert ("receiver.grpc.address", "http.address")[taken] in told
    assert "Traceback" not in err
    assert ready(first, ports[1])


def test_a_faulty_file_ends_it_with_2_and_every_fault_is_told(serve: Serve, ports: tuple[int, int]) -> None:
    faults = {
        "journal": {"max_bytes": "lots"},
        "handlers": {"prometheus": {"adapter": "prometeus"}},
        "log": {"level": "loud"},
        "shutdwon": {"deadline": "5s"},
    }
    code, _, err = end_of(serve(*ports, **faults))
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 4
    for path in ("journal.max_bytes", "handlers.prometheus.adapter", "log.level", "shutdwon"):
        assert any(f": {path}: " in line for line in lines), err
    assert not answers(f"http://127.0.0.1:{ports[1]}/healthz")


def test_sighup_reads_the_file_again_and_a_bad_one_changes_nothing(
    serve: Serve, ports: tuple[int, int], tmp_path: Path
) -> None:
    child = serve(*ports, log={"level": "info", "format": "json"})
    until(lambda: ready(child, ports[1]))
    file = tmp_path / "0.yaml"
    good = file.read_text()

    def sample(name: str) -> float:
        page = httpx.get(f"http://127.0.0.1:{ports[1]}/metrics").text
        return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)), 0.0)

    file.write_text(good + "outcomes: [{match: 'no.such == 1', outcome: success}]\n")
    child.send_signal(signal.SIGHUP)
    until(lambda: sample('telemetry_config_reloads_total{result="refused"}') >= 1)
    assert sample("telemetry_config_last_reload_successful") == 0
    file.write_text(good + "outcomes: [{match: 'response.code == 404', outcome: success}]\n")
    child.send_signal(signal.SIGHUP)
    until(lambda: sample('telemetry_config_reloads_total{result="changed"}') >= 1)
    assert sample("telemetry_config_last_reload_successful") == 1
    child.terminate()
    code, _, err = end_of(child)
    assert code == 0
    assert "no.such" in err
