"""CEL over columns: an expression's text in, a type-checked Polars expression out.

`compile(text)` is the whole interface; docs/expressions.md tells users what may be written.
"""

from telemetry.expressions.compiling import MAX_BYTES, MAX_DEPTH, Compiled, compile  # noqa: A004 - the verb of the room
from telemetry.expressions.faults import ExpressionError
from telemetry.expressions.parsing import terms
from telemetry.expressions.vocabularies import VOCABULARIES

__all__ = ["MAX_BYTES", "MAX_DEPTH", "VOCABULARIES", "Compiled", "ExpressionError", "compile", "terms"]
