"""stdout keeps the contract of all adapters, into a pipe whose reader does as it is told."""

import json
import os
import select
import threading
from collections.abc import Hashable, Iterable, Iterator
from fcntl import F_SETPIPE_SZ, fcntl

import pytest

from telemetry.adapters.stdout import Stdout
from telemetry.batch import Template
from telemetry.testing import AdapterContract, Behaviour

MARK = {Template.EDGE: "source.workload.name"}
STREAM = "a stream takes bytes, and answers nothing"


def mark(line: dict) -> str:
    return line["labels"]["mark"] if "labels" in line else line[MARK.get(line["template"], "request.id")]


class Pipe:
    """A pipe of one page, its reader, and what takes its place when it fails."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        fcntl(write, F_SETPIPE_SZ, 4096)
        self._write, self.fd = write, os.dup(write)
        self._reads = threading.Event()
        self._content = bytearray()
        self._asked = 0
        self._full = threading.Lock()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._reads.set()
        self._thread.start()

    async def behave(self, behaviour: Behaviour) -> None:
        if behaviour is Behaviour.BUSY:
            self._put(os.open("/dev/full", os.O_WRONLY))
        elif behaviour is Behaviour.UNREACHABLE:
            read, write = os.pipe()
            os.close(read)
            self._put(write)
        else:
            os.dup2(self._write, self.fd)
        self._reads.set()
        if behaviour in {Behaviour.HANG, Behaviour.SLOW}:
            self._reads.clear()
            while select.select([], [self._write], [], 0.05)[1]:
                os.write(self._write, b"\n" * 4096)
        if behaviour is Behaviour.SLOW:
            threading.Timer(0.3, self._reads.set).start()

    def _put(self, other: int) -> None:
        os.dup2(other, self.fd)
        os.close(other)

    def _drain(self) -> None:
        while True:
            self._reads.wait()
            if not (piece := os.read(self._read, 4096)):
                return
            with self._full:
                self._content += piece

    def lines(self) -> list[dict]:
        """All that was written: a line of our own, put last, shows that the reader has seen it."""
        self._asked += 1
        last = b"~%d\n" % self._asked
        os.write(self._write, last)
        while last not in self._content:
            threading.Event().wait(0.001)
        with self._full:
            lines = bytes(self._content).split(b"\n")
        return [json.loads(line) for line in lines if line and not line.startswith(b"~")]

    async def taken(self) -> Iterable[str]:
        return [mark(line) for line in self.lines()]

    async def identities(self) -> Iterable[Hashable]:
        return [
            tuple(line[name] for name in ("template", "receiver", "epoch", "sequence", "row")) for line in self.lines()
        ]

    def close(self) -> None:
        self._reads.set()
        os.close(self._write)
        os.close(self.fd)
        self._thread.join(5)
        os.close(self._read)


class TestStdout(AdapterContract):
    adapter_class = Stdout
    huge_rows = 4_000  # the reader parses every line, in Python
    cannot = {  # noqa: RUF012 - declared once, never changed
        Behaviour.REJECT: STREAM,
        Behaviour.PARTIAL: STREAM,
        Behaviour.NONSENSE: STREAM,
        Behaviour.FORGET: STREAM,
    }

    @pytest.fixture
    def sink(self) -> Iterator[Pipe]:
        pipe = Pipe()
        yield pipe
        pipe.close()

    def make(self, sink: Pipe) -> Stdout:
        return Stdout(Stdout.Config(), fd=sink.fd)
