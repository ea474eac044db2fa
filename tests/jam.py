"""asyncio's default threads, all of them hanging: what a plugin can make of them."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["jammed"]


@contextmanager
def jammed() -> Iterator[None]:
    """Until it is left, nothing gets a thread from the running loop's default executor."""
    let_go = threading.Event()
    pool = ThreadPoolExecutor(1, "jammed")
    pool.submit(let_go.wait)
    asyncio.get_running_loop().set_default_executor(pool)
    try:
        yield
    finally:
        let_go.set()
