"""One replay and what differs from it in one thing each: message size, cardinality."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench.mesh import Mesh
from bench.replay import Replayed, replay
from bench.service import Service, running
from bench.streams import ENVOYS_ENTRIES, write


@dataclass(frozen=True, slots=True)
class Variation:
    """What is replayed: each Envoy opens `times` streams one after the other, and says all `rounds` times in each."""

    mesh: Mesh = Mesh()  # noqa: RUF009 – frozen, so shared safely
    entries_per_message: int = ENVOYS_ENTRIES
    times: int = 2
    rounds: int = 10


VARIATIONS = {
    "usual": Variation(),
    "1 entry a message": Variation(entries_per_message=1, times=1, rounds=3),
    "256 KiB messages": Variation(entries_per_message=480),
    "edges ×10": Variation(Mesh(calls=20, requests_per_call=25)),
    "all distinct": Variation(Mesh(distinct=True)),
}


@dataclass(frozen=True, slots=True)
class Scraped:
    """One fetch of /metrics."""

    samples: int
    page_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All that one variation gave."""

    replayed: Replayed
    scraped: Scraped
    rss_idle_bytes: int
    rss_after_bytes: int


def measure(variation: Variation, folder: Path) -> Measured:
    """Replay a variation to a service of its own, once to warm up and then in earnest."""
    mesh = replace(variation.mesh, at_us=int(time.time() * 1e6))
    streams = write(mesh, folder, variation.entries_per_message, variation.rounds)
    with running(folder) as service:
        idle_bytes = service.rss_bytes
        replay(service, streams, times=1)
        replayed = replay(service, streams, variation.times)
        scraped = scrape(service)
        return Measured(replayed, scraped, idle_bytes, service.rss_bytes)


def scrape(service: Service) -> Scraped:
    """Fetch the page once, and see what it cost."""
    cpu_s = service.cpu_s
    page = service.page()
    spent_s = service.cpu_s - cpu_s
    return Scraped(page.count(b"\n") - page.count(b"\n#"), len(page), spent_s)
