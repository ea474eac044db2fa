"""What OTLP and remote write cost: `POLARS_MAX_THREADS=1 python -m bench.otlp`. CPU of this process, the sink's apart.

The sinks are processes of their own that take everything and decode nothing.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection

import grpc
from aiohttp import web

from telemetry.adapters.otlp import Otlp
from telemetry.adapters.prometheus_remote_write import PrometheusRemoteWrite
from telemetry.batch import Batch, Template
from telemetry.testing import batch_of

ROWS = 2048
TARGET_PER_S = 60_000
_WRITTEN = {f"X-Prometheus-Remote-Write-{what}-Written": "1000000" for what in ("Samples", "Histograms", "Exemplars")}


class _Takes(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def grpc_sink(told: Connection) -> None:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_Takes(),))
    told.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    told.recv()


def http_sink(told: Connection) -> None:
    async def take(request: web.Request) -> web.Response:
        async for _ in request.content.iter_any():
            """It is thrown away."""
        return web.Response(headers=_WRITTEN)

    async def run() -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_post("/{tail:.*}", take)
        runner = web.AppRunner(application, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.send(runner.addresses[0][1])
        await asyncio.to_thread(told.recv)

    asyncio.run(run())


@contextmanager
def sink(work: Callable[[Connection], None]) -> Iterator[int]:
    """Run it in a process of its own; give its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    ours.send(None)
    process.join()


def batches(template: Template, count: int) -> list[Batch]:
    """Give batches of 2,048 rows that differ; metrics: points of the same 2,048 series."""
    if template is Template.METRIC:
        first = batch_of(template, ROWS)
        return [replace(first, sequence=sequence) for sequence in range(count)]
    return [batch_of(template, ROWS, sequence=sequence) for sequence in range(count)]


async def cpu_us(export: Callable[[Batch], Awaitable[None]], template: Template, rounds: int) -> float:
    """Give the median CPU of an export in microseconds a row."""
    taken = []
    for batch in batches(template, rounds + 2):
        begun = time.process_time()
        await export(batch)
        taken.append((time.process_time() - begun) / ROWS * 1e6)
    return statistics.median(taken[2:])


def shown(name: str, us: float) -> None:
    print(f"{name:44} {us:7.2f} CPU-s per million rows, {1e6 / us:10,.0f} rows/s a core")


async def otlp(rounds: int, grpc_port: int, http_port: int) -> None:
    ways = {
        "gRPC": {"endpoint": f"http://127.0.0.1:{grpc_port}"},
        "gRPC, gzip": {"endpoint": f"http://127.0.0.1:{grpc_port}", "compression": "gzip"},
        "HTTP": {"endpoint": f"http://127.0.0.1:{http_port}", "protocol": "http/protobuf"},
        "HTTP, gzip": {
            "endpoint": f"http://127.0.0.1:{http_port}", "protocol": "http/protobuf", "compression": "gzip",
        },
    }  # fmt: skip
    for way, options in ways.items():
        async with Otlp(Otlp.Config(**options), environment={}) as adapter:
            for template, name in (
                (Template.LOGENTRY, "logs"),
                (Template.TRACESPAN, "spans"),
                (Template.METRIC, "metric points"),
            ):
                shown(f"OTLP {name}, {way}", await cpu_us(adapter.export, template, rounds))


async def remote_write(rounds: int, port: int) -> None:
    for protocol in ("2.0", "1.0"):
        config = PrometheusRemoteWrite.Config(url=f"http://127.0.0.1:{port}/", protocol=protocol)
        async with PrometheusRemoteWrite(config) as adapter:
            shown(f"remote write {protocol}", await cpu_us(adapter.export, Template.METRIC, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with sink(grpc_sink) as grpc_port, sink(http_sink) as http_port:
        asyncio.run(otlp(rounds, grpc_port, http_port))
        asyncio.run(remote_write(rounds, http_port))
    print(f"target for logs and spans: {TARGET_PER_S:,} rows/s a core")


if __name__ == "__main__":
    main()
