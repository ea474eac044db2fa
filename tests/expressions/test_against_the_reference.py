"""Compiled columns hold what Google's own CEL runtime says, row by row; its errors are our nulls."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.attributes import DURATION, STRING_MAP, TIMESTAMP
from telemetry.expressions import compile as compile_expression

VOCABULARY = {
    "code": pl.Int64,
    "code.other": pl.Int64,
    "workload.name": pl.String,
    "method": pl.String,
    "ratio": pl.Float64,
    "mtls": pl.Boolean,
    "headers": STRING_MAP,
    "took": DURATION,
    "time": TIMESTAMP,
}
KINDS = {
    pl.Int64: cel.Type.INT, pl.String: cel.Type.STRING, pl.Float64: cel.Type.DOUBLE, pl.Boolean: cel.Type.BOOL,
    STRING_MAP: cel.Type.Map(cel.Type.STRING, cel.Type.STRING), DURATION: cel.Type.DURATION,
    TIMESTAMP: cel.Type.TIMESTAMP,
}  # fmt: skip
# The reference knows no presence of plain variables: it is told it, row by row, in variables of its own.
PRESENCE = {name: f"has_{name.replace('.', '_')}" for name in VOCABULARY}
REFERENCE = cel.NewEnv(
    variables={name: KINDS[dtype] for name, dtype in VOCABULARY.items()}
    | dict.fromkeys(PRESENCE.values(), cel.Type.BOOL),
    extensions=[ext_strings.ExtStrings()],
)

TEXTS = st.text("abA1Ä. ", max_size=4)
LITERALS = {
    "int": st.sampled_from(["0", "1", "-1", "2", "7", "500", "-9223372036854775808", "9223372036854775807", "0x1F"]),
    "uint": st.sampled_from(["0u", "1u", "7u", "18446744073709551615u"]),
    "double": st.sampled_from(["0.0", "-0.5", "-1.5", "2.0", "1e300", "9.5e18"]),
    "string": st.sampled_from(['""', '"a"', "'A1'", 'r"a."', '"\\u00c4"', '"""b"""']),
    "bool": st.sampled_from(["true", "false"]),
    "duration": st.sampled_from(['duration("1.5s")', 'duration("-2m1us")', 'duration("0")', 'duration("36h")']),
    "timestamp": st.sampled_from(['timestamp("2020-02-29T23:59:59.5Z")', 'timestamp("2021-01-01T00:00:00+02:00")']),
}
ATTRIBUTES = {
    "int": ["code", "code.other"], "uint": [], "double": ["ratio"], "string": ["workload.name", "method"],
    "bool": ["mtls"], "duration": ["took"], "timestamp": ["time"],
}  # fmt: skip
ORDERED = ("int", "uint", "double", "string", "bool", "duration", "timestamp")
FORMS = {
    "int": [
        "(int + int)", "(int - int)", "(int * int)", "(int / int)", "(int % int)", "-(int)", "int(double)",
        "int(uint)", "int(string)", "size(string)", "string.size()", "size(headers)", "int(timestamp)",
        "timestamp.getHours()", "timestamp.getDayOfWeek()", "timestamp.getMonth()", "timestamp.getDate()",
        "timestamp.getDayOfMonth()", "timestamp.getDayOfYear()", "timestamp.getMilliseconds()",
        "timestamp.getFullYear()", "duration.getHours()", "duration.getMinutes()", "duration.getSeconds()",
        "duration.getMilliseconds()", "string.indexOf(string)",
        'size(string.split("a"))',
    ],
    "uint": [
        "(uint + uint)", "(uint - uint)", "(uint * uint)", "(uint / uint)", "(uint % uint)", "uint(int)",
        "uint(double)",
    ],
    "double": [
        "(double + double)", "(double - double)", "(double * double)", "(double / double)", "double(int)", "-(double)",
    ],
    "string": [
        "(string + string)", "string.lowerAscii()", "string.upperAscii()", 'headers["a"]', "headers.b", "string(int)",
        # Not substring(int, int): where the part ends with the text, the reference fails, against CEL's definition.
        "string(bool)", "string.trim()", "string.substring(int)", "string.charAt(int)",
        'string.replace("a", "Ä")',
    ],
    "bool": [
        "(bool && bool)", "(bool || bool)", "(bool && bool && bool)", "(bool || bool || bool)", "!bool",
        "string.startsWith(string)", "string.endsWith(string)", "string.contains(string)", 'string.matches("^a|1$")',
        '("a" in headers)', '(string in string.split("1"))',
        "(string in [string, string])", "(string in ['a', 'A1'])",
        "(int in [1, 500])", "(int in [int, 7])", "(double in [double, 2.0])", "(int in [])", "has(headers.a)",
        *(f"has({name})" for name in VOCABULARY),
        *(f"({kind} {operator} {kind})" for kind in ORDERED for operator in ("==", "!=", "<", "<=", ">", ">=")),
    ],
    "duration": ["(duration + duration)", "(duration - duration)", "(timestamp - timestamp)"],
    "timestamp": ["(timestamp + duration)", "(timestamp - duration)", "(duration + timestamp)"],
}  # fmt: skip
WORDS = {"int", "uint", "double", "string", "bool", "duration", "timestamp"}


@st.composite
def expressions(draw: st.DrawFn, kind: str, depth: int = 3) -> str:
    named = ATTRIBUTES[kind]
    leaves = LITERALS[kind] | st.sampled_from(named) if named else LITERALS[kind]
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(leaves)
    form = draw(st.sampled_from([*FORMS[kind], f"(bool ? {kind} : {kind})"]))
    return filled(draw, form, depth)


def filled(draw: st.DrawFn, form: str, depth: int) -> str:
    """Put an expression in the place of each kind's name, unless it is the name of a conversion."""
    made, word = "", ""
    for character in form + "\0":
        if character.isalnum():
            word += character
            continue
        conversion = character == "("
        made += draw(expressions(word, depth - 1)) if word in WORDS and not conversion else word
        made, word = made + character.replace("\0", ""), ""
    return made


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "code": st.none() | st.sampled_from([0, 1, -7, 500, 503, 2**63 - 1, -(2**63)]) | st.integers(-9, 9),
            "code.other": st.none() | st.integers(-3, 600),
            "workload.name": st.none() | TEXTS,
            "method": st.none() | TEXTS,
            "ratio": st.none() | st.floats(),
            "mtls": st.none() | st.booleans(),
            "headers": st.none() | st.dictionaries(st.sampled_from("abc"), TEXTS),
            "took": st.none() | st.timedeltas(timedelta(days=-99), timedelta(days=99)),
            "time": st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
        }
    ),
    min_size=1,
    max_size=8,
)


def frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    def cell(value: object) -> object:
        return [{"key": key, "value": text} for key, text in value.items()] if isinstance(value, dict) else value

    return pl.DataFrame([{name: cell(value) for name, value in row.items()} for row in rows], schema=VOCABULARY)


def reference(text: str, rows: list[dict[str, object]]) -> list[object]:
    told = text.replace("has(headers.a)", "(has_headers && has(headers.a))")
    for name, presence in PRESENCE.items():
        told = told.replace(f"has({name})", presence)
    compiled = REFERENCE.compile(told)
    return [answer(compiled, row) for row in rows]


def answer(compiled: cel.Expression, row: dict[str, object]) -> object:
    present = {name: value for name, value in row.items() if value is not None}
    value = compiled.eval(data=present | {PRESENCE[name]: row[name] is not None for name in VOCABULARY})
    failed = value.type() in (cel.Type.ERROR, cel.Type.UNKNOWN)
    return None if failed else value.value()


def same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    if isinstance(theirs, datetime):
        theirs = theirs.replace(tzinfo=theirs.tzinfo or UTC)
    return type(ours) is type(theirs) and ours == theirs


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.sampled_from(ORDERED).flatmap(expressions), rows=ROWS)
def test_every_row_is_what_the_reference_says(text: str, rows: list[dict[str, object]]) -> None:
    column = compile_expression(text, VOCABULARY, want=None).expression
    ours = frame(rows).with_columns(answer=column)["answer"].to_list()
    answers = zip(rows, ours, reference(text, rows), strict=True)
    assert [(text, row, our, their) for row, our, their in answers if not same(our, their)] == []


@settings(max_examples=100, deadline=None)
@given(text=expressions("bool"), rows=ROWS)
def test_a_match_is_never_null_and_errors_do_not_match(text: str, rows: list[dict[str, object]]) -> None:
    matched = frame(rows).with_columns(answer=compile_expression(text, VOCABULARY).expression)["answer"].to_list()
    assert matched == [answer is True for answer in reference(text, rows)]
