"""Wait until a condition holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from telemetry.errors import StartError

__all__ = ["holds_within", "until"]


async def holds_within(
    condition: Callable[[], Awaitable[bool]], deadline_s: float, *, interval_s: float = 0.05
) -> bool:
    """Ask until the condition holds; false when it did not within the deadline."""
    end = time.monotonic() + deadline_s
    while not await condition():
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(interval_s)
    return True


async def until(condition: Callable[[], Awaitable[bool]], deadline_s: float, otherwise: str) -> None:
    """Ask until the condition holds. Raises StartError, saying `otherwise`, when it doesn't in time."""
    if not await holds_within(condition, deadline_s):
        raise StartError(f"{otherwise} (waited {deadline_s:g} s)")
