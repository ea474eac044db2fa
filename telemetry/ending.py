"""The end of the process, which nothing that hangs may hold up."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["ending_in_time"]


@contextmanager
def ending_in_time(runner: asyncio.Runner, limit_s: float = 5.0) -> Iterator[None]:
    """Once what is inside is over, close the runner; if that takes longer, end the process.

    It waits for every task and shared thread: for good, where one hears no cancellation. So does Python, at its own
    end, for every thread; those begun inside that hang then are given that time, too. Who goes on in between is let go
    on. The exit code is that of what was raised inside: its `exit_code`, else 1; 0 where nothing was.
    """
    before = set(threading.enumerate())
    code = 1
    try:
        yield
        code = 0
    except BaseException as error:
        code = getattr(error, "exit_code", 1)
        raise
    finally:
        timer = _begin(limit_s, code)
        try:
            runner.close()
        finally:
            timer.cancel()
        left = [thread for thread in threading.enumerate() if not thread.daemon and thread not in before]
        if left:
            # Private, but all there is (`concurrent.futures` uses it): `atexit` comes after the wait for threads.
            threading._register_atexit(_begin, limit_s, code, left)  # type: ignore[attr-defined]


def _begin(limit_s: float, code: int, left: Sequence[threading.Thread] = ()) -> threading.Timer:
    timer = threading.Timer(limit_s, _leave, (limit_s, code, left))
    timer.daemon = True  # when nothing hangs, it is gone with the process
    timer.start()
    return timer


def _leave(limit_s: float, code: int, left: Sequence[threading.Thread]) -> None:
    """End the process; unless there were threads that hung, and none does any more."""
    if left and not any(thread.is_alive() for thread in left):
        return
    running = sorted({thread.name for thread in threading.enumerate() if thread is not threading.current_thread()})
    print(
        f"all is done, and yet something has gone on for {limit_s:g} s, mostly a plugin's call that hangs; it is left "
        f"alone (threads: {', '.join(running)})",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os._exit(code)
