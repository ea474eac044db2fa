"""Every operator and function there is, and the choice of the one that fits."""

from collections.abc import Sequence
from functools import cache

from telemetry.expressions import addresses, arithmetic, comparison, strings, times
from telemetry.expressions.overloads import Overload, Overloads, Term, collect

__all__ = ["MACROS", "functions", "shown", "why_not"]

MACROS = frozenset(("all", "exists", "exists_one", "filter", "map"))


@cache
def functions() -> Overloads:
    """Give every overload by name; operators by CEL's names for them, `_+_`."""
    rooms = (comparison, arithmetic, strings, times, addresses)
    return collect(*(room.overloads() for room in rooms))


def shown(name: str) -> str:
    """Give an operator as it is written, a function with parentheses."""
    operator = name.replace("_", "").strip()
    return operator if not operator.isalnum() else f"{name}()"


def why_not(name: str, candidates: Sequence[Overload], terms: Sequence[Term]) -> tuple[str, str]:
    """Say why no candidate takes the terms, and what would be taken."""
    kinds = [str(term.kind) for term in terms]
    message = f"{shown(name)} can't take {' and '.join(kinds) or 'nothing'}"
    if name in ("_==_", "_!=_"):
        return message, "both sides must be of one type; convert with int(), double() or string()"
    taken = dict.fromkeys(" and ".join(map(str, candidate.takes)) for candidate in candidates)
    return message, f"it takes {', or '.join(taken)}"
