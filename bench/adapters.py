"""What an adapter costs: rows exported a second on one core, the CPU of its sink and of the kernel apart.

`python -m bench.adapters [NAME ...]`. To add one: a function that yields an entered adapter, in CASES. A sink runs in a
process or thread of its own; a thread's CPU is told to `sink_cpu`, and is not the adapter's.
"""

import argparse
import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from bench.adapter_program import program
from bench.machine import machine
from bench.otlp import grpc_sink, http_sink, sink
from bench.stores import influxdb, kafka
from telemetry.adapters.audit import Audit
from telemetry.adapters.cloud_logging import CloudLogging
from telemetry.adapters.grpc import Grpc
from telemetry.adapters.otlp import Otlp
from telemetry.adapters.stdout import Stdout
from telemetry.audit.keys import new_keys
from telemetry.batch import Batch, Template
from telemetry.plugin import Adapter
from telemetry.testing import batch_of

BATCH_ROWS = 8000
BATCHES = 8


@dataclass
class SinkCpu:
    """CPU time of sinks in this process: not the adapter's."""

    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


Open = Callable[[Path, SinkCpu], AbstractAsyncContextManager[Adapter]]


@dataclass(frozen=True)
class Case:
    """`target`: rows a second on one core. `finish`: what has to be done after the last export, timed too."""

    name: str
    open: Open
    target: int
    template: Template = Template.LOGENTRY
    batch_rows: int = BATCH_ROWS
    finish: Callable[[Adapter], Awaitable[None]] | None = None


@asynccontextmanager
async def json_lines(_: Path, __: SinkCpu) -> AsyncIterator[Adapter]:
    """JSON lines to nowhere: the kernel takes them for nothing."""
    fd = os.open(os.devnull, os.O_WRONLY)
    async with Stdout(Stdout.Config(format="json"), fd=fd) as adapter:
        yield adapter
    os.close(fd)


@asynccontextmanager
async def text_lines(_: Path, __: SinkCpu) -> AsyncIterator[Adapter]:
    fd = os.open(os.devnull, os.O_WRONLY)
    async with Stdout(Stdout.Config(format="text"), fd=fd) as adapter:
        yield adapter
    os.close(fd)


def audit(form: str) -> Open:
    @asynccontextmanager
    async def opened(folder: Path, _: SinkCpu) -> AsyncIterator[Adapter]:
        new_keys(folder / "key", folder / "key.pub")
        key = SecretStr((folder / "key").read_text())
        async with Audit(Audit.Config(directory=folder / "audit", signing_key=key, file_format=form)) as adapter:
            yield adapter

    return opened


async def finish_file(adapter: Adapter) -> None:
    assert isinstance(adapter, Audit)
    await adapter.finish()


def otlp(**options: str) -> Open:
    """To a sink in a process of its own."""

    @asynccontextmanager
    async def opened(_: Path, __: SinkCpu) -> AsyncIterator[Adapter]:
        with sink(http_sink if options else grpc_sink) as port:
            config = Otlp.Config.model_validate({"endpoint": f"http://127.0.0.1:{port}", **options})
            async with Otlp(config, environment={}) as adapter:
                yield adapter

    return opened


@asynccontextmanager
async def cloud_logging(_: Path, __: SinkCpu) -> AsyncIterator[Adapter]:
    with sink(grpc_sink) as port:
        config = CloudLogging.Config(project="my-project", endpoint=f"127.0.0.1:{port}", insecure=True)
        async with CloudLogging(config) as adapter:
            yield adapter


def out_of_process(encoding: str) -> Open:
    @asynccontextmanager
    async def opened(_: Path, __: SinkCpu) -> AsyncIterator[Adapter]:
        with sink(partial(program, encoding=encoding)) as port:
            async with Grpc(Grpc.Config(address=f"127.0.0.1:{port}")) as adapter:
                yield adapter

    return opened


_GZIPPED = {"protocol": "http/protobuf", "compression": "gzip"}

CASES = (
    Case("otlp, logs, gRPC", otlp(), target=60_000, batch_rows=2048),
    Case("otlp, spans, gRPC", otlp(), target=60_000, template=Template.TRACESPAN, batch_rows=2048),
    Case("otlp, logs, HTTP, gzip", otlp(**_GZIPPED), target=60_000, batch_rows=2048),
    Case("otlp, spans, HTTP, gzip", otlp(**_GZIPPED), target=60_000, template=Template.TRACESPAN, batch_rows=2048),
    Case("cloud_logging", cloud_logging, target=0, batch_rows=1000),
    Case("grpc, Arrow", out_of_process("ARROW"), target=0),
    Case("grpc, JSON lines", out_of_process("JSON_LINES"), target=0),
    Case("grpc, protobuf", out_of_process("PROTOBUF"), target=0),
    Case("kafka, Avro, batches", kafka(), target=150_000),
    Case("kafka, JSON, batches", kafka(format="json"), target=0),
    Case("kafka, protobuf, batches", kafka(format="protobuf"), target=0),
    Case("kafka, Arrow, batches", kafka(format="arrow"), target=0),
    Case("kafka, Avro, an entry a record", kafka(mode="entry", registry=True), target=25_000),
    Case("kafka, JSON, an entry a record", kafka(mode="entry", format="json"), target=25_000),
    Case("kafka, Avro files, an entry a record", kafka(mode="entry"), target=25_000),
    Case("influxdb, entries", influxdb, target=200_000),
    Case("influxdb, metrics", influxdb, target=200_000, template=Template.METRIC),
    Case("influxdb, edges", influxdb, target=200_000, template=Template.EDGE),
    Case("stdout, JSON lines", json_lines, target=500_000),
    Case("stdout, Envoy's text lines", text_lines, target=500_000),
    Case("audit, JSON lines, signed", audit("jsonl"), target=0, finish=finish_file),
    Case("audit, Parquet, signed", audit("parquet"), target=400_000, finish=finish_file),
)


async def measure(case: Case, batches: int) -> tuple[float, float, float]:
    """Give CPU seconds of the adapter, of the kernel for it (files, sockets), and of sinks in this process."""
    made: list[Batch] = [batch_of(case.template, case.batch_rows, sequence=at) for at in range(1, batches + 2)]
    sink = SinkCpu()
    with TemporaryDirectory() as folder:
        async with case.open(Path(folder), sink) as adapter:
            # The first one imports, connects and learns.
            await adapter.export(made.pop(0))
            sink.seconds, before = 0.0, getrusage(RUSAGE_SELF)
            for batch in made:
                await adapter.export(batch)
            if case.finish:
                await case.finish(adapter)
            after = getrusage(RUSAGE_SELF)
    return after.ru_utime - before.ru_utime - sink.seconds, after.ru_stime - before.ru_stime, sink.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names; default: all")
    parser.add_argument("--batches", type=int, default=BATCHES)
    arguments = parser.parse_args()
    if os.environ.get("POLARS_MAX_THREADS") != "1":
        parser.error("run it with POLARS_MAX_THREADS=1: this is about one core")
    for name, value in machine().items():
        print(f"{name:<10} {value}")
    print(f"\n{'adapter':<40}{'rows/s per core':>16}{'CPU-s per 10⁶':>15}{'kernel':>8}{'sink':>8}{'of target':>11}")
    for case in CASES:
        if arguments.names and not case.name.startswith(tuple(arguments.names)):
            continue
        cpu_s, kernel_s, sink_s = asyncio.run(measure(case, arguments.batches))
        rows = arguments.batches * case.batch_rows
        ratio = f"{rows / cpu_s / case.target:.2f}" if case.target else "-"
        millions = rows / 1e6
        figures = f"{cpu_s / millions:>15.2f}{kernel_s / millions:>8.2f}{sink_s / millions:>8.2f}"
        print(f"{case.name:<40}{rows / cpu_s:>16,.0f}{figures}{ratio:>11}")


if __name__ == "__main__":
    main()
