"""Replay streams over real gRPC with h2load: one connection per Envoy, each stream posted again and again."""

import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.service import ENTRIES, STAGES, Own, Service, counted
from bench.streams import Stream

H2LOAD = Path(__file__).parent.parent / ".tools/bin/h2load"
METHOD = "envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
LOOK_EVERY_S = 0.05
QUIET_S = 0.5
"""So long without work, the service has nothing left to do: it coalesces for at most 0.2 s."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one replay took, on both sides. `counted`: the increase of istio_requests_total, all series."""

    sent: int
    received: int
    counted: int
    seconds: float
    service_cpu_s: float
    h2load_cpu_s: float
    stages_s: dict[str, float]
    rss_peak_bytes: int


def start(stream: Stream, times: int, port: int, per_s: float = 0) -> subprocess.Popen[bytes]:
    """Start an h2load that posts the stream `times` over: as fast as it is taken, or `per_s` a second."""
    command = [
        H2LOAD,
        "-n",
        str(times),
        "-c",
        "1",
        "-m",
        "1",
        "-d",
        stream.path,
        "-H",
        "content-type: application/grpc",
        "-H",
        "te: trailers",
    ]
    if per_s:
        command.append(f"--rps={per_s}")
    url = f"http://127.0.0.1:{port}/{METHOD}"
    return subprocess.Popen([*command, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[bytes], times: int) -> None:
    """Wait for an h2load, and insist that the service took every stream to its end."""
    report, _ = process.communicate()
    if process.returncode or f"{times} succeeded, 0 failed, 0 errored" not in report.decode():
        raise RuntimeError(f"h2load failed:\n{report.decode()}")


def replay(service: Service, streams: Sequence[Stream], times: int) -> Replayed:
    """Post all streams at once, `times` over; return when the service has nothing left to do."""
    before = service.page()
    cpu_s, clients_s, began_s = service.cpu_s, _children_cpu_s(), time.monotonic()
    processes = [start(stream, times, service.ports.grpc) for stream in streams]
    looks = list(_looks(service, processes))
    for process in processes:
        finish(process, times)
    after = service.page()
    then, now = Own(before), Own(after)
    # h2load sees HTTP's 200 even where gRPC's status tells of a failure.
    received = int(now.total(ENTRIES) - then.total(ENTRIES))
    if not received:
        raise RuntimeError(f"the service received nothing; its log says why:\n{service.log.read_text()[-4000:]}")
    return Replayed(
        sent=times * sum(stream.entries for stream in streams),
        received=received,
        counted=counted(after) - counted(before),
        seconds=looks[-1].time_s - began_s,
        service_cpu_s=looks[-1].cpu_s - cpu_s,
        h2load_cpu_s=_children_cpu_s() - clients_s,
        stages_s=_increase(then.by("stage", STAGES), now.by("stage", STAGES)),
        rss_peak_bytes=max(look.rss_bytes for look in looks),
    )


@dataclass(frozen=True, slots=True)
class Look:
    """The service at one moment."""

    time_s: float
    cpu_s: float
    rss_bytes: int


def _looks(service: Service, clients: Sequence[subprocess.Popen[bytes]]) -> Iterator[Look]:
    """Look till the clients are gone and the service is quiet; the last look given is the end of its work."""
    last = Look(time.monotonic(), service.cpu_s, service.rss_bytes)
    while any(client.poll() is None for client in clients) or time.monotonic() - last.time_s < QUIET_S:
        time.sleep(LOOK_EVERY_S)
        look = Look(time.monotonic(), service.cpu_s, service.rss_bytes)
        # An idle service wakes up now and then: a tick of the clock (10 ms) is no work.
        if look.cpu_s - last.cpu_s > 0.01:
            last = look
            yield look
    yield last


def _increase(then: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    return {name: value - then.get(name, 0.0) for name, value in now.items()}


def _children_cpu_s() -> float:
    """CPU of the children that have ended, which the h2loads have and the service hasn't."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
