"""Text to tree: the grammar is cel-python's, the bounds are ours."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeAlias

from telemetry.expressions.faults import ExpressionError
from telemetry.expressions.literals import value_of
from telemetry.expressions.tree import Call, Constant, Ident, Index, Items, Node, Select

__all__ = ["MAX_BYTES", "MAX_DEPTH", "parse", "terms"]

_Tree: TypeAlias = Any  # lark's, whose children are trees and tokens alike

MAX_BYTES = 4096
MAX_DEPTH = 64

# Rules that only wrap another when they have one child.
_WRAPPERS = frozenset(
    ("expr", "conditionalor", "conditionaland", "relation", "addition", "multiplication", "unary", "member", "primary")
)
_OPERATORS = {
    "relation_lt": "_<_", "relation_le": "_<=_", "relation_gt": "_>_", "relation_ge": "_>=_", "relation_eq": "_==_",
    "relation_ne": "_!=_", "relation_in": "_in_", "addition_add": "_+_", "addition_sub": "_-_",
    "multiplication_mul": "_*_", "multiplication_div": "_/_", "multiplication_mod": "_%_",
    "unary_not": "!_", "unary_neg": "-_",
}  # fmt: skip


def parse(text: str) -> Node:
    """Give the tree of `text`. Raises ExpressionError: no CEL, longer than 4 KiB, deeper than 64."""
    if (size := len(text.encode(errors="replace"))) > MAX_BYTES:
        raise ExpressionError(text[:80], 0, f"the expression has {size} bytes, more than {MAX_BYTES}", "split the rule")
    if not text.strip():
        raise ExpressionError(text, 0, "the expression is empty", "write true to match everything")
    return _Reader(text).node(_grammar()(text), 0)


def terms(text: str) -> tuple[str, ...]:
    """Split `text` at its outermost `&&`, for who wants to know which of its terms failed. Raises as `parse` does."""
    parse(text)
    tree = _unwrapped(_grammar()(text))
    parts = _chain(tree) if tree.data == "conditionaland" else iter((tree,))
    return tuple(text[part.meta.start_pos : part.meta.end_pos] for part in parts)


def _unwrapped(tree: _Tree) -> _Tree:
    while tree.data == "paren_expr" or (tree.data in _WRAPPERS and len(tree.children) == 1):
        tree = tree.children[0]
    return tree


@cache
def _grammar() -> Callable[[str], _Tree]:
    # Imported here: who writes no expression doesn't wait for a grammar.
    from celpy.celparser import CELParseError, CELParser  # noqa: PLC0415
    from lark import Token  # noqa: PLC0415

    class Parser(CELParser):
        @staticmethod
        def ambiguous_literals(t: Token) -> Token:
            # The library's drops the place of true and false.
            made = CELParser.ambiguous_literals(t)
            return Token.new_borrow_pos(made.type, made.value, t)

    parser = Parser()

    def tree(text: str) -> _Tree:
        try:
            return parser.parse(text)
        except CELParseError as fault:
            raise ExpressionError(text, *_place(text, fault.line, fault.column)) from None

    return tree


def _place(text: str, line: int | None, column: int | None) -> tuple[int, str]:
    if line is None or column is None or line < 1 or column < 1:
        return len(text), "the expression ends too early"
    position = sum(len(before) for before in text.splitlines(keepends=True)[: line - 1]) + column - 1
    if text[position : position + 1] in ('"', "'"):
        return position, "unexpected string, or one that never ends"
    return position, "this is not CEL: unexpected text here, or the expression ends too early"


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def node(self, tree: _Tree, depth: int) -> Node:
        tree = _unwrapped(tree)
        if depth > MAX_DEPTH:
            raise ExpressionError(self.text, tree.meta.start_pos, f"nested deeper than {MAX_DEPTH}", "split the rule")
        read = getattr(self, f"_{tree.data}", self._unsupported)
        return read(tree, depth + 1)

    def _unsupported(self, tree: _Tree, _depth: int) -> Node:
        what = {"map_lit": "a map literal", "member_object": "making a message"}.get(tree.data, str(tree.data))
        hint = "docs/expressions.md lists what is"
        raise ExpressionError(self.text, tree.meta.start_pos, f"{what} is not supported", hint)

    def _call(self, tree: _Tree, name: str, parts: Iterator[_Tree], depth: int, *, method: bool = False) -> Call:
        return Call(tree.meta.start_pos, name, tuple(self.node(part, depth) for part in parts), method)

    def _expr(self, tree: _Tree, depth: int) -> Node:
        return self._call(tree, "_?_:_", iter(tree.children), depth)

    def _conditionalor(self, tree: _Tree, depth: int) -> Node:
        return self._call(tree, "_||_", _chain(tree), depth)

    def _conditionaland(self, tree: _Tree, depth: int) -> Node:
        return self._call(tree, "_&&_", _chain(tree), depth)

    def _relation(self, tree: _Tree, depth: int) -> Node:
        left, right = tree.children
        return self._call(tree, _OPERATORS[left.data], iter((left.children[0], right)), depth)

    _addition = _multiplication = _relation

    def _unary(self, tree: _Tree, depth: int) -> Node:
        operator, operand = tree.children
        number = _integer(operand) if operator.data == "unary_neg" else None
        if number is not None and not number.startswith("-"):  # of -2⁶³ the digits alone are out of range
            return self._constant(tree.meta.start_pos, number.type, f"-{number}")
        if number is not None:  # and so they are where two signs cancel out
            self._constant(number.start_pos, number.type, number[1:])
        return self._call(tree, _OPERATORS[operator.data], iter((operand,)), depth)

    def _member_dot(self, tree: _Tree, depth: int) -> Node:
        return Select(tree.meta.start_pos, self.node(tree.children[0], depth), str(tree.children[1]))

    def _member_dot_arg(self, tree: _Tree, depth: int) -> Node:
        target, name, *arguments = tree.children
        parts = iter((target, *(arguments[0].children if arguments else ())))
        return self._call(tree, str(name), parts, depth, method=True)

    def _member_index(self, tree: _Tree, depth: int) -> Node:
        operand, key = (self.node(part, depth) for part in tree.children)
        return Index(tree.meta.start_pos, operand, key)

    def _ident(self, tree: _Tree, _depth: int) -> Node:
        return Ident(tree.meta.start_pos, str(tree.children[0]))

    def _ident_arg(self, tree: _Tree, depth: int) -> Node:
        name, *arguments = tree.children
        return self._call(tree, str(name), iter(arguments[0].children if arguments else ()), depth)

    def _list_lit(self, tree: _Tree, depth: int) -> Node:
        items = tree.children[0].children if tree.children else ()
        return Items(tree.meta.start_pos, tuple(self.node(item, depth) for item in items))

    def _literal(self, tree: _Tree, _depth: int) -> Node:
        token = tree.children[0]
        return self._constant(token.start_pos, token.type, str(token))

    def _constant(self, position: int, token: str, text: str) -> Constant:
        try:
            return Constant(position, *value_of(token, text))
        except ValueError as fault:
            raise ExpressionError(self.text, position, str(fault)) from None


def _integer(tree: _Tree) -> _Tree | None:
    """Give the token of an integer that stands there without parentheses."""
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = tree.children[0]
    return tree.children[0] if tree.data == "literal" and tree.children[0].type == "INT_LIT" else None


def _chain(tree: _Tree) -> Iterator[_Tree]:
    terms: list[_Tree] = []
    rule = str(tree.data)
    while tree.data == rule and len(tree.children) == 2:
        tree, last = tree.children
        terms.append(last)
    return iter((tree, *reversed(terms)))
