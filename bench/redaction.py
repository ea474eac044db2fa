"""What redaction costs: `python -m bench.redaction`. CPU of all threads, per entry, in batches of 8,192."""

import random
import statistics
import time
from collections.abc import Callable

import polars as pl

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.processors.redaction import Redaction
from telemetry.processors.redaction_config import RedactionConfig

ROWS = 8192
ROUNDS = 15
TARGET_US = 0.3
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"

Path = Callable[[random.Random], str]


def batch(path: Path, agents: int, header: str | None = None) -> Batch:
    """LOGENTRY rows of which only what clients write is filled in."""
    rng = random.Random(7)
    paths = pl.Series([path(rng) for _ in range(ROWS)])
    schema = SCHEMAS[Template.LOGENTRY]
    nulls = {name: pl.Series([None], dtype=dtype).new_from_index(0, ROWS) for name, dtype in schema.items()}
    filled = {
        "request.path": paths,
        "request.url_path": paths.str.split("?").list.first(),
        "request.useragent": pl.Series([BROWSER.format(rng.randrange(agents)) for _ in range(ROWS)]),
    }
    if header:
        headers = [[{"key": header, "value": f"{rng.getrandbits(64):x}"}, {"key": "accept", "value": "*/*"}]] * ROWS
        filled["request.headers"] = pl.Series(headers, dtype=schema["request.headers"])
    return Batch(Template.LOGENTRY, pl.DataFrame(nulls).with_columns(**filled), "bench", 1, 1)


KINDS: dict[str, Batch] = {
    "5,000 paths, 20 user agents": batch(lambda rng: f"/api/v1/users/{rng.randrange(5000)}/orders", 20),
    "the same with queries": batch(lambda rng: f"/api/v1/users/{rng.randrange(5000)}?q={rng.random()}", 20),
    "every path distinct": batch(lambda rng: f"/api/v1/users/{rng.getrandbits(40)}/orders/{rng.getrandbits(40)}", 20),
    "every path and user agent distinct": batch(lambda rng: f"/api/v1/users/{rng.getrandbits(60):x}", 10**9),
    "an e-mail address in every path": batch(lambda rng: f"/users/u{rng.getrandbits(40)}@example.com/orders", 20),
    "a card number in every path, perhaps": batch(lambda rng: f"/pay/4{rng.randrange(10**15):015}", 20),
    "two harmless headers logged": batch(lambda rng: f"/api/v1/users/{rng.randrange(5000)}", 20, "x-envoy-peer"),
    "two headers logged, one a cookie": batch(lambda rng: f"/api/v1/users/{rng.randrange(5000)}", 20, "cookie"),
}


def cpu_us(processor: Redaction, entries: Batch) -> float:
    start = time.process_time()
    list(processor.process(entries))
    return (time.process_time() - start) / ROWS * 1e6


def main() -> None:
    processor = Redaction(RedactionConfig())
    for kind, entries in KINDS.items():
        cpu_us(processor, entries)
        rounds = [cpu_us(processor, entries) for _ in range(ROUNDS)]
        print(f"{kind:40} {statistics.median(rounds):6.2f} µs an entry (best {min(rounds):.2f})")
    print(f"target for typical paths: {TARGET_US} µs")


if __name__ == "__main__":
    main()
