"""Writes to a file descriptor that may hang, in a thread of its own: whole, once, and in order."""

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue

from telemetry.boundary import boundary

__all__ = ["StreamWriter"]


class _Job:
    """One thing to write, and how far that has come."""

    def __init__(self, name: Hashable, make: Callable[[], Iterator[bytes]]) -> None:
        self.name = name
        self._make = make
        self._pieces: Iterator[bytes] | None = None
        self._rest = memoryview(b"")
        self.done: Future[None] = Future()

    def run(self, fd: int) -> None:
        """Write what is left of it. Raises OSError; called again, it goes on at the byte where it was."""
        if self._pieces is None:
            self._pieces = self._make()
        while True:
            while self._rest:
                self._rest = self._rest[os.write(fd, self._rest) :]
            piece = next(self._pieces, None)
            if piece is None:
                return
            self._rest = memoryview(piece)


class StreamWriter:
    """Begins its thread with the first write; the thread is a daemon, so a reader that hangs can't keep us alive."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._last: _Job | None = None
        self._thread: threading.Thread | None = None

    def write(self, name: Hashable, make: Callable[[], Iterator[bytes]]) -> "Future[None]":
        """Write the pieces that `make` gives; the future fails with OSError.

        Asked again by the same name as the last time, it goes on with that: what hung, what failed, what is done since.
        """
        job = self._last
        if job is None or job.name != name:
            job = _Job(name, make)
        elif not job.done.done():
            return _view(job)
        elif job.done.exception() is None:
            self._last = None
            return job.done
        job.done = Future()
        self._last = job
        self._start()
        self._jobs.put(job)
        return _view(job)

    def close(self) -> None:
        """Write nothing more after what is being written."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            with boundary() as outcome:
                job.run(self._fd)
            if outcome.error is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(outcome.error)


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
