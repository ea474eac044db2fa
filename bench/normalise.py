"""`python -m bench.normalise`: CPU per entry of normalise, and its memory under millions of strangers."""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated

import polars as pl
import psutil
import typer

from bench.mesh import Mesh
from bench.streams import write
from telemetry import native
from telemetry.columns import Columns, split
from telemetry.config import Settings
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.node import Node, node_of
from telemetry.processors.connections import Connections
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.normalise import Normalise
from telemetry.processors.signals import Signals

CHUNK = 16_384
LOGS = Settings().receiver.access_logs
STRANGE = ("authority", "downstream_direct_remote_address", "downstream_remote_address", "upstream_remote_address")


@dataclass(frozen=True)
class Decoded:
    columns: Columns
    nodes: list[Node]


def decoded(mesh: Mesh) -> Iterator[Decoded]:
    """Give the mesh's entries in chunks as the service would decode them: messages of all Envoys, mixed."""
    with TemporaryDirectory() as folder:
        messages = [one for stream in write(mesh, Path(folder)) for one in _messages(stream.path)]
    Random(1).shuffle(messages)
    step = CHUNK // 30
    for start in range(0, len(messages) - step, step):
        some = messages[start : start + step]
        nodes = {node: at for at, node in enumerate({node: None for _, node in some})}
        table = native.decode_access_logs(
            [raw for raw, _ in some],
            [nodes[node] for _, node in some],
            request_headers=LOGS.request_headers,
            response_headers=LOGS.response_headers,
            response_trailers=LOGS.response_trailers,
            filter_state=LOGS.filter_state,
        )
        yield Decoded(split(table.rows), list(nodes))


def _messages(path: Path) -> Iterator[tuple[bytes, Node]]:
    content, at, node = path.read_bytes(), 0, None
    while at < len(content):
        (size,) = struct.unpack_from(">I", content, at + 1)
        raw = content[at + 5 : at + 5 + size]
        identifier, _ = native.inspect(raw)
        node = node_of(identifier) if identifier else node
        yield raw, node
        at += 5 + size


def normaliser(nodes: set[Node], *, lean: bool) -> Normalise:
    addresses = Addresses()
    resolver = Resolver(addresses, "Kubernetes")
    for node in nodes:
        resolver.learn(node)
    contexts = Contexts(resolver, addresses, seed=1, peers=peer_columns(LOGS.filter_state))
    return Normalise(contexts, Signals(seed=1, started_ns=0).reads | Connections.reads) if lean else Normalise(contexts)


def cpu_us(normalise: Normalise, chunks: list[Decoded], rounds: int = 3) -> float:
    """CPU-µs per entry, of all threads, once every kind has been seen."""
    for one in chunks:
        normalise.rows(one.columns, one.nodes, 1)
    began_s = time.process_time()
    for _ in range(rounds):
        for one in chunks:
            normalise.rows(one.columns, one.nodes, 1)
    return (time.process_time() - began_s) / rounds / sum(len(one.columns.rows) for one in chunks) * 1e6


def strange(one: Decoded, at: int) -> Decoded:
    """The same entries from strangers: hosts and addresses that nobody has seen before."""
    count = len(one.columns.rows)
    rows = one.columns.rows.with_columns(pl.Series(name, range(count), dtype=pl.UInt32) for name in STRANGE)
    numbers = pl.Series(range(at * count, (at + 1) * count))
    addresses = pl.select(pl.format("2001:db8::{}", pl.lit(numbers))).to_series()
    hosts = pl.select(pl.format("h{}.example.org", pl.lit(numbers))).to_series()
    dictionaries = one.columns.dictionaries | dict.fromkeys(STRANGE, addresses) | {"authority": hosts}
    return replace(one, columns=Columns(rows, dictionaries))


def main(millions: Annotated[int, typer.Option(help="strangers, in millions")] = 10) -> None:
    """Print the tables of docs/performance.md."""
    print("| normalise | CPU µs/entry, for metrics only | all attributes |\n| --- | ---: | ---: |")
    meshes = {
        "usual: 200 workloads, 5,000 paths": Mesh(),
        "every id, path and user agent distinct": Mesh(distinct=True),
        "every host header distinct, too": Mesh(distinct=True, hosts=True),
    }
    for name, mesh in meshes.items():
        chunks = list(decoded(mesh))
        nodes = {node for one in chunks for node in one.nodes}
        lean, whole = (cpu_us(normaliser(nodes, lean=lean), chunks) for lean in (True, False))
        print(f"| {name} | {lean:.2f} | {whole:.2f} |", flush=True)
    print("\n| strangers, millions | RSS MiB | CPU µs/entry |\n| ---: | ---: | ---: |")
    normalise, process, one = normaliser(set(), lean=True), psutil.Process(), chunks[0]
    count = len(one.columns.rows)
    began_s = time.process_time()
    for at in range(millions * 1_000_000 // count + 1):
        other = strange(one, at)
        normalise.rows(other.columns, other.nodes, 1)
        done = (at + 1) * count
        if done // 1_000_000 > at * count // 1_000_000:
            spent_us = (time.process_time() - began_s) / done * 1e6
            print(f"| {done // 1_000_000} | {process.memory_info().rss >> 20} | {spent_us:.2f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
