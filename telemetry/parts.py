"""Things made of settings, made anew only when what they are made of has changed."""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Parts"]

Part = TypeVar("Part")


class Parts:
    """What one configuration is made of, taking over from the one before whatever is to be the same.

    A part has a name, and is `made_of` a value: equal values make equal parts, so the one that is there, with all that
    it has learnt, goes on. Whoever is not asked for again is let go of with the configuration before.
    """

    def __init__(self, before: "Parts | None" = None) -> None:
        self._before = before._made if before else {}
        self._made: dict[str, tuple[object, Any]] = {}

    def part(self, name: str, made_of: object, make: Callable[[], Part]) -> Part:
        """Give the part of that name: the one before, if it was made of the same, else a new one."""
        for known in (self._made, self._before):
            if name in known and known[name][0] == made_of:
                self._made[name] = known[name]
                break
        else:
            self._made[name] = made_of, make()
        made: Part = self._made[name][1]
        return made

    def settle(self) -> None:
        """Forget the configuration before: this one is in force."""
        self._before = {}
