"""The service under measurement: started as users start it, watched through /proc and /metrics."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parent.parent
COMMAND = ROOT / ".venv/bin/telemetry"
STAGES = "telemetry_stage_seconds_total"
ENTRIES = "telemetry_receiver_entries_total"
STREAMS = "telemetry_receiver_streams"
# All our Envoys have one address.
STREAMS_PER_PEER = 10_000

CONFIG = """\
receiver: {{grpc: {{address: "127.0.0.1:{grpc}", max_streams_per_peer: {streams}}}}}
http: {{address: "127.0.0.1:{http}"}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the service listens; high, so that it stands in nobody's way."""

    grpc: int = 29901
    http: int = 29902


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: psutil.Process
    ports: Ports
    log: Path

    @property
    def cpu_s(self) -> float:
        """User and system time so far, of all its threads."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def rss_bytes(self) -> int:
        return self.process.memory_info().rss

    def page(self) -> bytes:
        """Fetch /metrics as Prometheus does, uncompressed."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.http}/metrics", timeout=60) as response:
            return response.read()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports.http}/readyz", timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


class Own:
    """What the service counts about itself, parsed out of a page of its metrics."""

    def __init__(self, page: bytes) -> None:
        lines = [line for line in page.decode().splitlines() if "telemetry_" in line]
        families = text_string_to_metric_families("\n".join(lines) + "\n")
        self.samples = [sample for family in families for sample in family.samples]

    def total(self, name: str) -> float:
        return sum(sample.value for sample in self.samples if sample.name == name)

    def by(self, label: str, name: str) -> dict[str, float]:
        totals: dict[str, float] = {}
        for sample in self.samples:
            if sample.name == name:
                totals[sample.labels[label]] = totals.get(sample.labels[label], 0.0) + sample.value
        return totals


def counted(page: bytes) -> int:
    """Add up istio_requests_total over all series: how many entries arrived in the metrics themselves."""
    lines = (line for line in page.splitlines() if line.startswith(b"istio_requests_total{"))
    # The value follows the last `}`, since a label's value may hold anything.
    return int(sum(float(line.rsplit(b"}", 1)[1].split()[0]) for line in lines))


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float, pause_s: float = 0.05) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        time.sleep(pause_s)


@contextmanager
def running(folder: Path, more: str = "", environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Start the service with its defaults and `more` (YAML); stop it at the end and insist on a clean exit."""
    ports = Ports()
    path = folder / "bench.yaml"
    path.write_text(CONFIG.format(grpc=ports.grpc, http=ports.http, streams=STREAMS_PER_PEER) + more)
    command = [COMMAND, "serve", "-c", path]
    log = folder / "service.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        service = Service(psutil.Process(process.pid), ports, log)
        try:
            wait_until(lambda: process.poll() is not None or service.is_ready(), "the service's start", 30)
            if process.poll() is not None:
                raise RuntimeError(f"the service did not start:\n{log.read_text()}")
            yield service
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode}:\n{log.read_text()[-2000:]}")
