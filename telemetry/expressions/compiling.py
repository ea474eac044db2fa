"""Tree to column: every node gets its kind, every fault its place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions import logic, string_maps
from telemetry.expressions.attribute_names import dotted, longest, suggestion
from telemetry.expressions.comparison import equal
from telemetry.expressions.faults import ExpressionError
from telemetry.expressions.functions import MACROS, functions, shown, why_not
from telemetry.expressions.kinds import BOOL, CIDR, DOUBLE, INT, MAP, NULL, STRING, Kind, kind_of
from telemetry.expressions.overloads import Overload, Term
from telemetry.expressions.parsing import MAX_BYTES, MAX_DEPTH, parse
from telemetry.expressions.tree import Call, Constant, Ident, Index, Items, Node, Select

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Compiled", "compile"]

_DType = pl.DataType | type[pl.DataType]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression over columns.

    A Boolean asked for is never null: what CEL calls an error (a missing attribute, a division by zero)
    doesn't match. Any other column is null there. `reads` are the columns needed; an expression that
    reads none is a literal of length one, which Polars broadcasts in `filter` and `with_columns`.
    """

    text: str
    expression: pl.Expr
    dtype: pl.DataType
    reads: frozenset[str]


def compile(  # noqa: A001 - CEL's own word, and Python's
    text: str, vocabulary: Mapping[str, _DType] = SCHEMAS[Template.LOGENTRY], *, want: _DType | None = pl.Boolean
) -> Compiled:
    """Compile CEL against columns. `want` is the result's type: an int serves as a double; None: any.

    Raises ExpressionError: no CEL, unknown attribute or function, wrong types, longer than 4 KiB,
    deeper than 64. Costs a tenth of a second the first time, when the grammar is loaded.
    """
    compiler = _Compiler(text, vocabulary)
    term = compiler.term(parse(text))
    column, dtype = compiler.wanted(term, want)
    if not compiler.reads:
        # Some functions make a column of length one of a literal; only a scalar is spread over all rows.
        column = pl.lit(pl.select(column).to_series()).first()
    return Compiled(text, column, dtype, frozenset(compiler.reads))


class _Compiler:
    def __init__(self, text: str, vocabulary: Mapping[str, _DType]) -> None:
        self.text, self.vocabulary = text, vocabulary
        self.reads: set[str] = set()

    def fail(self, position: int, message: str, hint: str = "") -> NoReturn:
        raise ExpressionError(self.text, position, message, hint)

    def wanted(self, term: Term, want: _DType | None) -> tuple[pl.Expr, pl.DataType]:
        if term.kind is CIDR:
            self.fail(term.position, "a network is no value", 'write cidr("10.0.0.0/8").containsIP(source.ip)')
        kind = term.kind if want is None else kind_of(want)
        if term.kind is INT and kind is DOUBLE:
            return term.column.cast(pl.Float64), DOUBLE.dtype
        if kind != term.kind:
            self.fail(term.position, f"this is {term.kind}, but {kind} is needed here")
        # Polars may shrink a choice between literals to one row when its condition is null throughout.
        column = pl.when(pl.repeat(value=True, n=pl.len())).then(term.column) if self.reads else term.column
        return column.fill_null(value=False) if want == pl.Boolean else column, term.kind.dtype

    def term(self, node: Node) -> Term:
        match node:
            case Constant(position, kind, value):
                return self._constant(position, kind, value)
            case Ident() | Select():
                return self._name(node)
            case Index(position, operand, key):
                return self._looked_up(position, self.term(operand), self._key(key))
            case Items(position):
                return self.fail(position, "a list stands only to the right of `in`", 'x in ["a", "b"]')
            case Call():
                return self._call(node)

    # Values ----------------------------------------------------------------------------------------------------

    def _constant(self, position: int, kind: Kind, value: object) -> Term:
        if kind is NULL:
            self.fail(position, "null compares with nothing", "has(attribute) says whether it is there")
        if kind is CIDR:
            return Term(position, kind, pl.lit(None), value)
        if kind.dtype.is_temporal():
            return Term(position, kind, pl.lit(value, pl.Int64).cast(kind.dtype), value)
        return Term(position, kind, pl.lit(value, kind.dtype), value)

    def _name(self, node: Ident | Select) -> Term:
        parts = dotted(node)
        if parts is None:
            return self._looked_up(node.position, self.term(node.operand), node.field)  # type: ignore[union-attr]
        found = longest(parts, self.vocabulary)
        if found is None:
            name = ".".join(parts)
            self.fail(node.position, f"there is no attribute {name}", suggestion(name, self.vocabulary))
        name, rest = found
        term = self._attribute(node.position, name)
        for field in rest:
            term = self._looked_up(node.position, term, field)
        return term

    def _attribute(self, position: int, name: str) -> Term:
        kind = kind_of(self.vocabulary[name])
        if kind is None:
            self.fail(position, f"{name} is {self.vocabulary[name]}, which expressions can't read")
        self.reads.add(name)
        column = pl.col(name)
        as_is = kind.fields is not None or self.vocabulary[name] == kind.dtype
        return Term(position, kind, column if as_is else column.cast(kind.dtype))

    def _looked_up(self, position: int, term: Term, key: str) -> Term:
        if (fields := term.kind.fields) is not None:
            there = term.column.struct.field(key) if key in fields else pl.lit(None, pl.String)
            return Term(position, STRING, there)
        if term.kind is not MAP:
            hint = "only maps have keys: request.headers, source.labels, …"
            self.fail(position, f'{term.kind} has no key "{key}"', hint)
        return Term(position, STRING, string_maps.get(term.column, key))

    def _key(self, node: Node) -> str:
        if isinstance(node, Constant) and isinstance(node.value, str):
            return node.value
        return self.fail(node.position, "a key must be a literal string", 'request.headers["x-team"]')

    # Calls -----------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> Term:  # noqa: PLR0911 - a table of the forms that aren't functions
        match call.name:
            case "_&&_":
                return self._logic(call, logic.all_of)
            case "_||_":
                return self._logic(call, logic.any_of)
            case "!_":
                return self._logic(call, logic.none_of)
            case "_?_:_":
                return self._choice(call)
            case "_in_":
                return self._in(call.position, *call.arguments)
            case "has":
                return self._has(call)
            case _:
                return self._function(call)

    def _logic(self, call: Call, join: Callable[[Sequence[pl.Expr]], pl.Expr]) -> Term:
        return Term(call.position, BOOL, join([self._condition(part, call.name) for part in call.arguments]))

    def _condition(self, node: Node, name: str) -> pl.Expr:
        term = self.term(node)
        if term.kind is not BOOL:
            self.fail(term.position, f"{shown(name)} takes bool, but this is {term.kind}", "compare it with something")
        return term.column

    def _choice(self, call: Call) -> Term:
        condition = self._condition(call.arguments[0], call.name)
        then, otherwise = (self.term(part) for part in call.arguments[1:])
        if then.kind != otherwise.kind:
            self.fail(otherwise.position, f"the two ends of ?: are {then.kind} and {otherwise.kind}; they must agree")
        return Term(call.position, then.kind, logic.choice(condition, then.column, otherwise.column))

    def _has(self, call: Call) -> Term:
        node = call.arguments[0] if len(call.arguments) == 1 else None
        if call.method or not isinstance(node, Ident | Select | Index):
            self.fail(call.position, "has() takes one attribute or key of a map", "has(request.headers.x)")
        # In CEL the missing map of a key is an error; here it is one more way of not being there.
        return Term(call.position, BOOL, self.term(node).column.is_not_null())

    def _in(self, position: int, left: Node, right: Node) -> Term:
        if isinstance(right, Items):
            return Term(position, BOOL, self._in_list(self.term(left), [self.term(item) for item in right.items]))
        within = self.term(right)
        if within.kind.fields is not None:
            return Term(position, BOOL, self._looked_up(position, within, self._key(left)).column.is_not_null())
        if within.kind is MAP:
            return Term(position, BOOL, string_maps.has_key(within.column, self._key(left)))
        term = self.term(left)
        if within.kind.element != term.kind:
            self.fail(right.position, f"{term.kind} can't be in {within.kind}")
        found = pl.when(term.column.is_not_null()).then(within.column.list.contains(term.column))
        return Term(position, BOOL, found)

    def _in_list(self, term: Term, items: Sequence[Term]) -> pl.Expr:
        for item in items:
            if item.kind != term.kind:
                self.fail(item.position, f"{term.kind} can't be in a list with {item.kind}", "all must be of one type")
        values = [item.constant for item in items]
        if values and None not in values and term.kind in (STRING, INT):
            return term.column.is_in(pl.Series(values, dtype=term.kind.dtype).implode())
        return logic.one_of(term.column, [item.column for item in items], equal(term.kind.dtype))

    def _function(self, call: Call) -> Term:
        candidates = functions().get(call.name, [])
        if not candidates:
            what = "the macro" if call.name in MACROS else "the function"
            self.fail(call.position, f"{what} {call.name}() is not supported", self._functions_like(call.name))
        terms = [self.term(part) for part in call.arguments]
        fitting = [one for one in candidates if one.takes == tuple(term.kind for term in terms)]
        if not fitting:
            self.fail(terms[-1].position if terms else call.position, *why_not(call.name, candidates, terms))
        return self._built(call, fitting, terms)

    def _functions_like(self, name: str) -> str:
        written = [other for other in (*functions(), "has") if other.isidentifier() and not other.startswith("_")]
        near = [other for other in written if other.lower() == name.lower()]
        return f"did you mean {near[0]}?" if near else f"these are: {', '.join(sorted(written))}"

    def _built(self, call: Call, fitting: Sequence[Overload], terms: Sequence[Term]) -> Term:
        overload = next((one for one in fitting if all(terms[at].constant is not None for at in one.literals)), None)
        if overload is None:
            place = terms[min(fitting[0].literals)].position
            self.fail(place, f"{shown(call.name)} needs a literal here, so that it is checked when it is loaded")
        if overload.method is not None and overload.method is not call.method:
            form = f"text.{call.name}(…)" if overload.method else f"{call.name}(…)"
            self.fail(call.position, f"{call.name} is written {form}")
        given = (term.constant if at in overload.literals else term.column for at, term in enumerate(terms))
        try:
            made = overload.build(*given)
        except ValueError as fault:
            self.fail(terms[min(overload.literals)].position, str(fault))
        if isinstance(made, pl.Expr):
            return Term(call.position, overload.gives, made)
        return self._constant(call.position, overload.gives, made)
