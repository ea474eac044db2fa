"""What naming operations costs, and that memory stays flat: `python -m bench.operations [--paths 10_000_000]`."""

import argparse
import random
import string
import time
import uuid
from collections.abc import Callable, Iterator

import polars as pl
import psutil

from telemetry.batch import Batch, Template
from telemetry.operations.settings import OperationsSettings
from telemetry.processors.operations import Operations

BATCH, SERVICES, PATHS = 16_384, 200, 5_000
HOSTS = [f"service-{at}.shop.svc.cluster.local" for at in range(SERVICES)]
WORDS = ("users", "orders", "items", "invoices", "reviews", "carts", "payments", "shipments")


def identified(source: random.Random) -> str:
    """As REST interfaces are: words of the interface, and ids of every kind."""
    one, two = source.sample(WORDS, 2)
    match source.randrange(4):
        case 0:
            return f"/api/v1/{one}/{source.randrange(10**9)}/{two}/{source.randrange(10**9)}"
        case 1:
            return f"/{one}/{uuid.UUID(int=source.getrandbits(128))}"
        case 2:
            return f"/static/{source.getrandbits(128):032x}/{one}.js"
        case _:
            return f"/{one}/2024-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}/{source.getrandbits(60):x}"


def slugged(source: random.Random) -> str:
    """Ids that look like words: only learning tells them."""
    return f"/{source.choice(WORDS)}/{_word(source)}/{_word(source)}"


def hostile(source: random.Random) -> str:
    """Never the same prefix, of any depth and form: made to fill what can be filled."""
    return "/" + "/".join(source.choice((_word(source), source.choice(WORDS))) for _ in range(source.randrange(1, 8)))


def _word(source: random.Random) -> str:
    return "".join(source.choices(string.ascii_lowercase, k=10))


def batch(paths: list[str], source: random.Random) -> Batch:
    rows = pl.DataFrame(
        {
            "context.protocol": pl.Series(["http"] * len(paths)),
            "destination.service.host": pl.Series([source.choice(HOSTS) for _ in paths]),
            "request.method": pl.Series(["GET"] * len(paths)),
            "request.url_path": pl.Series(paths),
        }
    )
    return Batch(Template.LOGENTRY, rows, "bench", 1, 1)


def repeated(source: random.Random) -> Iterator[Batch]:
    """5,000 distinct paths over 200 services, each path of one service."""
    paths = [identified(source) for _ in range(PATHS)]
    at = [source.randrange(PATHS) for _ in range(BATCH)]
    hosts = [HOSTS[one % SERVICES] for one in at]
    rows = batch([paths[one] for one in at], source).rows.with_columns(pl.Series("destination.service.host", hosts))
    while True:
        yield Batch(Template.LOGENTRY, rows, "bench", 1, 1)


def distinct(path: Callable[[random.Random], str], source: random.Random) -> Iterator[Batch]:
    while True:
        yield batch([path(source) for _ in range(BATCH)], source)


def cpu_us(operations: Operations, batches: Iterator[Batch], count: int) -> float:
    """CPU of an entry, once what there is to learn has been learned."""
    for _ in range(40):
        list(operations.process(next(batches)))
    spent = 0.0
    for _ in range(count):
        one = next(batches)
        start = time.process_time()
        list(operations.process(one))
        spent += time.process_time() - start
    return spent / count / BATCH * 1e6


def memory(paths: int, path: Callable[[random.Random], str]) -> None:
    operations, process = Operations(OperationsSettings()), psutil.Process()
    batches, done, spent = distinct(path, random.Random(7)), 0, 0.0
    while done < paths:
        one = next(batches)
        start = time.process_time()
        list(operations.process(one))
        spent += time.process_time() - start
        if done % (BATCH * 61) == 0 or done + BATCH >= paths:
            rss = process.memory_info().rss / 2**20
            print(f"{done:>12,} paths  {rss:7.1f} MiB  {operations.names:>6,} names  {operations.services} services")
        done += BATCH
    print(f"{path.__name__}: {spent / done * 1e6:.3f} µs CPU an entry over {done:,} distinct paths, learning included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=10_000_000)
    parser.add_argument("--batches", type=int, default=40)
    options = parser.parse_args()
    sources = {
        "5,000 distinct paths, 200 services": repeated(random.Random(1)),
        "every path distinct, with ids": distinct(identified, random.Random(2)),
        "every path distinct, with slugs": distinct(slugged, random.Random(3)),
        "every path distinct, hostile": distinct(hostile, random.Random(4)),
    }
    for name, batches in sources.items():
        print(f"{name:40} {cpu_us(Operations(OperationsSettings()), batches, options.batches):.3f} µs CPU an entry")
    for path in (identified, hostile):
        memory(options.paths, path)


if __name__ == "__main__":
    main()
