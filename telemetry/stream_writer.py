"""Writes to a file descriptor that may hang, in a thread of its own: whole, once, and in order."""

import asyncio
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from itertools import islice
from queue import SimpleQueue

from telemetry.boundary import boundary

__all__ = ["StreamWriter"]


# Failed ones whose askers have not come back, after a reload perhaps; beyond that the oldest is forgotten.
_MOST_FAILED = 16


class _Job:
    """One thing to write, and how far that has come."""

    def __init__(self, make: Callable[[], Iterator[bytes]]) -> None:
        self._make = make
        self._pieces: Iterator[bytes] | None = None
        self._made = 0
        self._rest = memoryview(b"")
        self.done: Future[None] = Future()

    @property
    def failed(self) -> bool:
        """Whether the last try ended with an error."""
        return self.done.done() and self.done.exception() is not None

    def run(self, fd: int) -> None:
        """Write what is left of it. Raises OSError; called again, it goes on at the byte where it was."""
        self.end_piece(fd)
        while (piece := self._next()) is not None:
            self._rest = memoryview(piece)
            self.end_piece(fd)

    def end_piece(self, fd: int) -> None:
        """Write what is left of the piece that was begun, if one was. Raises OSError."""
        while self._rest:
            self._rest = self._rest[os.write(fd, self._rest) :]

    def _next(self) -> bytes | None:
        # A maker that fails gives no more: the next try makes all anew, and passes over what is written.
        pieces, self._pieces = self._pieces or islice(self._make(), self._made, None), None
        piece = next(pieces, None)
        self._pieces, self._made = pieces, self._made + 1
        return piece


class StreamWriter:
    """Begins its thread with the first write; the thread is a daemon, so a reader that hangs can't keep us alive.

    Pieces are whole lines. Holds no more than what somebody waits for, or gave up on and may ask for again.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._jobs: dict[Hashable, _Job] = {}
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._broken_off: _Job | None = None
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """How many things are to be written, or are written and nobody knows it yet."""
        return len(self._jobs)

    async def write(self, name: Hashable, make: Callable[[], Iterator[bytes]]) -> None:
        """Write the pieces that `make` gives. Raises OSError.

        Asked again by the same name after an error or a cancellation, it goes on with that: what hung, what failed,
        what is done since. Several may be asked for at once, each under its name.
        """
        job = self._jobs.get(name)
        if job is None:
            self._forget_failed()
            job = self._jobs[name] = _Job(make)
            self._put(job)
        elif job.failed:
            job.done = Future()
            self._put(job)
        await asyncio.wrap_future(_view(job))
        # Whoever is cancelled does not come here, and will ask again.
        self._jobs.pop(name, None)

    def close(self) -> None:
        """Write nothing more after what is being written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None

    def _forget_failed(self) -> None:
        failed = [name for name, job in self._jobs.items() if job.failed]
        for name in failed[:-_MOST_FAILED]:
            del self._jobs[name]

    def _put(self, job: _Job) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
            self._thread.start()
        self._queue.put(job)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            with boundary() as outcome:
                self._write(job)
            if outcome.error is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(outcome.error)

    def _write(self, job: _Job) -> None:
        """Write it; but first a line that was broken off before is ended."""
        if self._broken_off is not None:
            self._broken_off.end_piece(self._fd)
        self._broken_off = job
        job.run(self._fd)
        self._broken_off = None


def _view(job: _Job) -> "Future[None]":
    """Give a future of its own to whoever waits: one who gives up must not cancel the job."""
    view: Future[None] = Future()

    def settle(done: "Future[None]") -> None:
        if view.set_running_or_notify_cancel():
            if error := done.exception():
                view.set_exception(error)
            else:
                view.set_result(None)

    job.done.add_done_callback(settle)
    return view
