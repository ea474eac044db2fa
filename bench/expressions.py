"""What rules cost: CPU per entry of compiled expressions over a batch."""

import time

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions import compile as compile_expression

ENTRIES = 65_536
BUDGET_US = 0.3
RULES = {
    "three terms": 'request.method in ["POST", "PUT"] && destination.workload.namespace == "payments"'
    " && response.code >= 500",
    "strings": 'request.path.startsWith("/api/") && !request.useragent.contains("probe")'
    ' && request.host.matches("^pay")',
    "a header": 'request.headers["x-team"] == "blue"',
    "a network": 'cidr("10.0.0.0/8").containsIP(source.ip)',
    "arithmetic": "response.size + request.size > 10000 && response.size * 2 > request.size",
    "a duration": 'response.duration > duration("250ms")',
}


def batch() -> pl.DataFrame:
    row = pl.int_range(ENTRIES, eager=True)
    headers = [[{"key": key, "value": "blue"} for key in ("x-a", "x-b", "x-team")[: at % 4]] for at in range(ENTRIES)]
    columns = {
        "request.method": [("GET", "POST", "PUT", None)[at % 4] for at in range(ENTRIES)],
        "destination.workload.namespace": [("payments", "shop", None)[at % 3] for at in range(ENTRIES)],
        "response.code": (200 + row % 5 * 100),
        "request.path": [f"/api/{at % 500}/items" for at in range(ENTRIES)],
        "request.useragent": ["curl/8.0 of the probe" if at % 2 else "Mozilla/5.0" for at in range(ENTRIES)],
        "request.host": ["payments.shop" if at % 2 else "cart.shop" for at in range(ENTRIES)],
        "request.headers": headers,
        "source.ip": [f"10.{at % 7}.{at % 200}.{at % 9}" for at in range(ENTRIES)],
        "response.size": row,
        "request.size": row * 3,
        "response.duration": row * 10_000,
    }
    schema = SCHEMAS[Template.LOGENTRY]
    series = [pl.Series(name, values).cast(schema[name]) for name, values in columns.items()]
    return pl.DataFrame(series)


def cpu_us(frame: pl.DataFrame, column: pl.Expr, rounds: int = 20) -> float:
    """CPU of all threads, in µs per entry."""
    frame.filter(column)
    started = time.process_time()
    for _ in range(rounds):
        frame.select(column)
    return (time.process_time() - started) / rounds / frame.height * 1e6


def main() -> None:
    frame = batch()
    started = time.perf_counter()
    compile_expression("true")
    print(f"{'first compile (loads the grammar)':36} {(time.perf_counter() - started) * 1e3:8.1f} ms")
    for name, text in RULES.items():
        started = time.perf_counter()
        compiled = compile_expression(text)
        compile_ms = (time.perf_counter() - started) * 1e3
        print(f"{name:36} {cpu_us(frame, compiled.expression):8.3f} µs/entry   compiled in {compile_ms:.1f} ms")
    spent = cpu_us(frame, compile_expression(RULES["three terms"]).expression)
    verdict = "held" if spent <= BUDGET_US else "BROKEN"
    print(f"budget of a rule of three terms: {BUDGET_US} µs, spent {spent:.3f} µs: {verdict}")


if __name__ == "__main__":
    main()
