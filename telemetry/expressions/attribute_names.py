"""Find the attribute that a dotted name means, or say what it was meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches

from telemetry.attributes import NOT_CARRIED
from telemetry.expressions.tree import Ident, Node, Select

__all__ = ["dotted", "longest", "suggestion"]


def dotted(node: Node) -> tuple[str, ...] | None:
    """Give the parts of `a.b.c`, None when the node is no plain name."""
    parts = []
    while isinstance(node, Select):
        parts.append(node.field)
        node = node.operand
    return (node.name, *reversed(parts)) if isinstance(node, Ident) else None


def longest(parts: tuple[str, ...], names: Iterable[str]) -> tuple[str, tuple[str, ...]] | None:
    """Split the parts into the longest of `names` that they begin with, and the rest."""
    known = frozenset(names)
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in known:
            return name, parts[length:]
    return None


def suggestion(name: str, names: Iterable[str]) -> str:
    """Say what to write instead of an unknown name; empty when nothing is near."""
    if name in NOT_CARRIED:
        return f"not carried: {NOT_CARRIED[name]}"
    known = sorted(names)
    if below := [other for other in known if other.startswith(f"{name}.")]:
        return f"{name} has no value of its own; its attributes: {', '.join(below[:5])}"
    near = get_close_matches(name, known, 3, 0.6)
    return f"did you mean {' or '.join(near)}?" if near else "`telemetry attributes` lists them all"
