"""The end of the process, which nothing that hangs may hold up."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ending_in_time"]


@contextmanager
def ending_in_time(limit_s: float = 5.0) -> Iterator[None]:
    """Once what is inside is over, end the process within that time, with 0, or 1 after an exception.

    Python waits for every thread at its end, and asyncio for every task; a thread that a plugin left hanging, or a
    task that hears no cancellation, would keep the process until it is killed. To be left when all that matters is
    done.
    """
    code = 1
    try:
        yield
        code = 0
    finally:
        timer = threading.Timer(limit_s, _leave, (code, limit_s))
        timer.daemon = True  # when nothing hangs, it is gone with the process
        timer.start()


def _leave(code: int, limit_s: float) -> None:
    running = sorted({thread.name for thread in threading.enumerate() if thread is not threading.current_thread()})
    print(
        f"all is done, and yet something has gone on for {limit_s:g} s, mostly a plugin's call that hangs; it is left "
        f"alone (threads: {', '.join(running)})",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os._exit(code)
