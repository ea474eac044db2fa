"""How long from an entry's arrival until /metrics shows it: marked entries, sent one by one, waited for."""

import http.client
import random
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import grpc

from bench.mesh import Mesh
from bench.replay import METHOD, start
from bench.service import Service, running, wait_until
from bench.streams import messages, outbound, write

SAMPLES = 200
POLL_S = 0.005
DEADLINE_S = 10.0
LOADS = {"at rest": 0, "at 100,000 entries/s": 100_000}
LOAD_S = 300
# Few workloads, so that the page which is read again and again stays short.
MESH = Mesh(workloads=10, calls=1, requests_per_call=510)
MARK = b"mark.bench.svc.cluster.local"
MARKED = re.compile(rb'^istio_requests_total\{[^\n]*destination_service="' + MARK + rb'"[^\n]*\} (\d+)', re.M)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from handing an entry to gRPC until a scrape that shows it has come back."""

    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure_under(load_entries_per_s: int, folder: Path) -> Latency:
    """Measure with a service of its own, under a steady load from other Envoys."""
    with running(folder) as service, _loaded(service, load_entries_per_s, folder):
        return measure(service)


@contextmanager
def _loaded(service: Service, entries_per_s: int, folder: Path) -> Iterator[None]:
    streams = write(replace(MESH, at_us=int(time.time() * 1e6)), folder) if entries_per_s else ()
    per_s = entries_per_s / max(1, sum(stream.entries for stream in streams))
    clients = [start(stream, int(per_s * LOAD_S), service.ports.grpc, per_s) for stream in streams]
    try:
        yield
        early = [client for client in clients if client.poll() is not None]
        assert not early, "the load ended before the measurement"
    finally:
        for client in clients:
            client.terminate()
            client.communicate()


def measure(service: Service, samples: int = SAMPLES) -> Latency:
    """Send marked entries on one open stream, each once the one before is visible."""
    entries: SimpleQueue[bytes | None] = SimpleQueue()
    message = marked()
    # Pauses of unequal length, lest every entry meets the service at the same point of its rhythm.
    pauses_s = random.Random(1)
    taken_ms = []
    with grpc.insecure_channel(f"127.0.0.1:{service.ports.grpc}") as channel:
        call = channel.stream_unary(f"/{METHOD}").future(iter(entries.get, None))
        for number in range(1, samples + 1):
            began_s = time.monotonic()
            entries.put(message)
            _wait_for(service, number)
            taken_ms.append((time.monotonic() - began_s) * 1000)
            time.sleep(pauses_s.uniform(0, 0.25))
        entries.put(None)
        call.result(timeout=DEADLINE_S)
    p99_ms = statistics.quantiles(taken_ms, n=100)[98]
    return Latency(samples, statistics.median(taken_ms), p99_ms, max(taken_ms))


def marked() -> bytes:
    """Make a message with one entry, whose service nobody else calls."""
    mesh = Mesh(workloads=2, calls=1, requests_per_call=1, seed=99, at_us=int(time.time() * 1e6))
    entry = outbound(next(mesh.requests_of(mesh.members[0])))
    entry.request.authority = MARK.decode()
    entry.common_properties.upstream_cluster = f"outbound|8080||{MARK.decode()}"
    return next(messages(mesh.members[0], [entry], 1)).SerializeToString()


def _wait_for(service: Service, number: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.ports.http, timeout=DEADLINE_S)) as page:
        shown = partial(_visible, page, number)
        wait_until(shown, f"entry {number} visible", DEADLINE_S, POLL_S)


def _visible(connection: http.client.HTTPConnection, number: int) -> bool:
    connection.request("GET", "/metrics")
    found = MARKED.search(connection.getresponse().read())
    return found is not None and int(found[1]) >= number
