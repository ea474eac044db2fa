"""The tree of an expression, as CEL's own: operators are calls."""

from dataclasses import dataclass

from telemetry.expressions.kinds import Kind

__all__ = ["Call", "Constant", "Ident", "Index", "Items", "Node", "Select"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; `value` is a Python value of the kind."""

    position: int
    kind: Kind
    value: object


@dataclass(frozen=True, slots=True)
class Ident:
    """A name that stands alone, or begins a dotted one."""

    position: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`."""

    position: int
    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[key]`."""

    position: int
    operand: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b, …]`."""

    position: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`, or `arguments[0].name(…)` for a method. Operators are named `_+_`, `-_`, `_?_:_`.

    Chains of `&&` and of `||` are one call, so that a long list of terms isn't a deep tree.
    """

    position: int
    name: str
    arguments: tuple["Node", ...]
    method: bool = False


Node = Constant | Ident | Select | Index | Items | Call
