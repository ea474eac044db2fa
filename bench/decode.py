"""How fast the native decoder is: `python -m bench.decode`."""

import random
import statistics
import time
from collections.abc import Sequence
from itertools import zip_longest

from bench.mesh import Mesh
from bench.streams import entries_of, messages
from telemetry.native import decode_access_logs, inspect

HEADERS = ("traceparent",)
ROUNDS = 15


def interleaved(mesh: Mesh) -> list[bytes]:
    """Give all messages of all streams, in turns as a receiver would get them; identifiers stripped."""
    streams = (messages(workload, entries_of(mesh, workload), 32) for workload in mesh.members)
    turns = zip_longest(*streams)
    flat = [message for turn in turns for message in turn if message is not None]
    for message in flat:
        message.ClearField("identifier")
    return [message.SerializeToString() for message in flat]


def batches(wire: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


def cpu_s(wire: Sequence[bytes], messages_per_batch: int) -> float:
    """Give the CPU time of this thread to decode everything once."""
    prepared = [(batch, [0] * len(batch)) for batch in batches(wire, messages_per_batch)]
    start = time.thread_time()
    for batch, nodes in prepared:
        decode_access_logs(batch, nodes, request_headers=HEADERS)
    return time.thread_time() - start


def inspect_cpu_s(wire: Sequence[bytes]) -> float:
    start = time.thread_time()
    for message in wire:
        inspect(message)
    return time.thread_time() - start


def main() -> None:
    mesh = Mesh(requests_per_call=32)
    wire = interleaved(mesh)
    random.Random(1).shuffle(wire)
    entries = sum(inspect(message)[1] for message in wire)
    size = sum(map(len, wire))
    print(f"{entries} entries of {size / entries:.0f} bytes in {len(wire)} messages of {size / len(wire):.0f} bytes")
    for messages_per_batch in (8, 64, 512):
        rounds = [cpu_s(wire, messages_per_batch) for _ in range(ROUNDS)]
        best, median = min(rounds), statistics.median(rounds)
        print(
            f"decode, {messages_per_batch * 32:6} entries a batch: {entries / median:12,.0f} entries/s per core "
            f"({median / entries * 1e9:.0f} ns an entry; best {best / entries * 1e9:.0f} ns)"
        )
    rounds = [inspect_cpu_s(wire) for _ in range(ROUNDS)]
    median = statistics.median(rounds)
    print(f"inspect: {median / len(wire) * 1e9:.0f} ns a message of {entries / len(wire):.0f} entries")


if __name__ == "__main__":
    main()
