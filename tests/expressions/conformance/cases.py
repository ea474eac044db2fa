"""The conformance cases of CEL's specification, as questions to our compiler.

cel-spec-0.25.3.tar.gz holds tests/simple/testdata of github.com/google/cel-spec, unchanged, with its licence (Apache
2.0). `go mod download cel.dev/expr@v0.25.3` fetches what it was made of.
"""

import math
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from cel.expr import checked_pb2
from cel.expr.conformance.proto2 import test_all_types_extensions_pb2, test_all_types_pb2
from cel.expr.conformance.proto3 import test_all_types_pb2 as test_all_types3_pb2
from cel.expr.conformance.test import simple_pb2
from google.protobuf import duration_pb2, text_format, timestamp_pb2

from telemetry.attributes import DURATION, STRING_MAP, TIMESTAMP

__all__ = ["ERROR", "Case", "answer", "cases", "same"]

# Known to the parser by being imported.
MESSAGES = (test_all_types_pb2, test_all_types_extensions_pb2, test_all_types3_pb2)
ARCHIVE = Path(__file__).parent / "cel-spec-0.25.3.tar.gz"

PRIMITIVES = {
    checked_pb2.Type.BOOL: pl.Boolean, checked_pb2.Type.INT64: pl.Int64, checked_pb2.Type.DOUBLE: pl.Float64,
    checked_pb2.Type.STRING: pl.String,
}  # fmt: skip
WELL_KNOWN = {checked_pb2.Type.DURATION: DURATION, checked_pb2.Type.TIMESTAMP: TIMESTAMP}
ERROR = object()


@dataclass(frozen=True)
class Case:
    """`expected` is ERROR where evaluation must fail. `vocabulary` is None where a variable's type is none of ours."""

    name: str
    text: str
    vocabulary: dict[str, Any] | None
    row: dict[str, Any]
    expected: Any


def cases() -> Iterator[Case]:
    """Give every case that is about a value or an error."""
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.name.endswith(".textproto"):
                file = _file(archive.extractfile(member).read().decode())
                for section in file.section:
                    yield from (_case(f"{file.name}/{section.name}", test) for test in section.test)


def _file(content: str) -> simple_pb2.SimpleTestFile:
    with warnings.catch_warnings():
        # protobuf's reader of escapes uses a codec that finds fault with some of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        return text_format.Parse(content, simple_pb2.SimpleTestFile(), allow_unknown_field=True)


def _case(place: str, test: simple_pb2.SimpleTest) -> Case:
    failing = test.WhichOneof("result_matcher") in ("eval_error", "any_eval_errors")
    types = {declared.name: _dtype(declared.ident.type) for declared in test.type_env}
    untyped = None in types.values() or test.bindings.keys() - types.keys() or test.container or test.check_only
    expected = ERROR if failing else _value(test.value if test.HasField("value") else test.typed_result.result)
    bindings = {name: _value(bound.value) for name, bound in test.bindings.items()}
    return Case(f"{place}/{test.name}", test.expr, None if untyped else types, bindings, expected)


def _dtype(declared: checked_pb2.Type) -> Any:
    match declared.WhichOneof("type_kind"):
        case "primitive":
            return PRIMITIVES.get(declared.primitive)
        case "well_known":
            return WELL_KNOWN.get(declared.well_known)
        case "map_type" if {_dtype(declared.map_type.key_type), _dtype(declared.map_type.value_type)} == {pl.String}:
            return STRING_MAP
        case "list_type" if (inner := _dtype(declared.list_type.elem_type)) is not None:
            return pl.List(inner)
    return None


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "object_value":
        return _message(value.object_value)
    if kind == "list_value":
        return [_value(one) for one in value.list_value.values]
    if kind == "map_value":
        return [{"key": _value(one.key), "value": _value(one.value)} for one in value.map_value.entries]
    # Where nothing is expected, CEL's own tests expect true.
    return getattr(value, kind) if kind else True


def _message(message: Any) -> Any:
    for kind in (duration_pb2.Duration(), timestamp_pb2.Timestamp()):
        if message.Unpack(kind):
            return kind.seconds * 10**9 + kind.nanos
    return message


def same(ours: Any, theirs: Any) -> bool:
    """Whether both are one value; times are nanoseconds."""
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    return type(ours) is type(theirs) and ours == theirs


def answer(frame: pl.DataFrame, column: pl.Expr) -> Any:
    """Give the one row's answer; times as nanoseconds."""
    (series,) = frame.select(answer=column).get_columns()
    return series.to_physical()[0] if series.dtype.is_temporal() else series[0]
