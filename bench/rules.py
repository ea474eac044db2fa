"""`python -m bench.rules`: what rules and metrics cost, in CPU-seconds per million entries (µs an entry)."""

import time
from collections.abc import Callable, Sequence
from itertools import islice

from bench.mesh import Mesh
from bench.normalise import decoded, normaliser
from telemetry.batch import Batch, Template
from telemetry.config.rules import RuleSettings
from telemetry.processors.connections import Connections
from telemetry.processors.custom_metrics import Custom
from telemetry.processors.probes import USER_AGENTS
from telemetry.processors.signals import Metrics, Signals
from telemetry.processors.standard_metrics import NAMES, Override, Standard
from telemetry.rules import Select
from telemetry.rules.rules import Rules

ROUNDS = 10
ACCEPTS = frozenset({Template.LOGENTRY})
THREE = 'request.method in ["GET", "PUT"] && destination.workload.namespace != "payments" && response.code < 600'
NONE = THREE.replace("< 600", ">= 600")
SOME = 'request.method in ["GET", "PUT"] && has(destination.workload.name) && response.code >= 400'
RULES = {
    "three terms, all match": [{"match": THREE.replace('["GET", "PUT"]', '["GET", "PUT", "POST"]')}],
    "three terms, most match": [{"match": THREE}],
    "three terms, few match": [{"match": SOME}],
    "three terms, none matches": [{"match": NONE}],
    "ten rules of three terms": [{"match": NONE}] * 10,
    "10 % by request id": [{"sampling": {"percent": 10}}],
    "10 % by trace id": [{"sampling": {"percent": 10, "by": "trace_id"}}],
    "a rate limit": [{"sampling": {"rate_limit": {"rows_per_second": 1e6}}}],
}
ALL = frozenset(NAMES)
TEAM = {"team": 'has(source.labels.team) ? source.labels.team : "none"'}
METRICS = {
    "standard": Metrics(),
    "standard, probes ignored": Metrics(probes=USER_AGENTS),
    "standard, exponential": Metrics(Standard(explicit=False, scale=3)),
    "standard, both histograms": Metrics(Standard(scale=3)),
    "standard, two principals removed": Metrics(
        Standard([Override(ALL, labels={"source_principal": None, "destination_principal": None})])
    ),
    "standard, a label of the peer's added": Metrics(Standard([Override(ALL, labels=TEAM)])),
    "standard, a label of the request's added": Metrics(Standard([Override(ALL, labels={"method": "request.method"})])),
    "one counter besides": Metrics(custom=[Custom("by_method_total", dimensions={"method": "request.method"})]),
    "one histogram besides": Metrics(
        custom=[Custom("body_bytes", "histogram", "By", "response.size", {"service": "destination.service.name"})]
    ),
}


def entries() -> list[Batch]:
    """Give the usual mesh's entries, normalised with all attributes."""
    chunks = list(islice(decoded(Mesh()), 6))
    normalise = normaliser({node for one in chunks for node in one.nodes}, lean=False)
    connections = Connections(started_ns=0)
    batches = (
        Batch(Template.LOGENTRY, normalise.rows(one.columns, one.nodes, 10**18), "bench", 1, at)
        for at, one in enumerate(chunks)
    )
    return [done for batch in batches for done in connections.process(batch)]


def cpu_us(work: Callable[[Batch], object], batches: Sequence[Batch]) -> float:
    """CPU of all threads, in µs per entry."""
    for batch in batches:
        work(batch)
    began_s = time.process_time()
    for _ in range(ROUNDS):
        for batch in batches:
            work(batch)
    return (time.process_time() - began_s) / ROUNDS / sum(len(batch.rows) for batch in batches) * 1e6


def select(written: Sequence[dict[str, object]]) -> Select:
    made = [RuleSettings.model_validate({"name": f"r{at}", "handlers": ["a"], **one}) for at, one in enumerate(written)]
    return Rules(made).select_for("a", ACCEPTS)


def main() -> None:
    batches = entries()
    print("| rules, for one handler | rows that go on | CPU s per million entries |\n| --- | ---: | ---: |")
    choices = {"none (the default rule)": Rules().select_for("a", ACCEPTS)}
    for name, choose in {**choices, **{name: select(written) for name, written in RULES.items()}}.items():
        share = sum(len(choose(batch).batch.rows) for batch in batches) / sum(len(batch.rows) for batch in batches)
        print(f"| {name} | {share:.0%} | {cpu_us(choose, batches):.3f} |", flush=True)
    print("\n| metrics | CPU s per million entries |\n| --- | ---: |")
    for name, metrics in METRICS.items():
        signals = Signals(seed=1, started_ns=0, metrics=metrics)
        print(f"| {name} | {cpu_us(lambda batch, made=signals: list(made.process(batch)), batches):.3f} |", flush=True)


if __name__ == "__main__":
    main()
