"""Work that blocks, in threads of its own: what hangs elsewhere is not in its way.

asyncio's default threads (`asyncio.to_thread`) belong to everyone, plugins too: a few calls that hang take them all. So
nothing of ours runs there.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["in_own_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_own_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what is done now and then in a thread that begins and ends with it; gives what the work gives.

    What is done with every batch has threads that stay instead: beginning one takes some 0.1 ms.
    """
    thread = ThreadPoolExecutor(1, getattr(work, "__name__", "work").strip("_"))
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, lambda: work(*args, **kwargs))
    finally:
        thread.shutdown(wait=False)
