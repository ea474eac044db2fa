"""Expressions by example: what each gives over three rows, and what a faulty one says."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions import MAX_BYTES, MAX_DEPTH, ExpressionError
from telemetry.expressions import compile as compile_expression

LOGENTRY = SCHEMAS[Template.LOGENTRY]
ROWS = pl.DataFrame(
    [
        {
            "response.code": 503, "request.method": "POST", "source.ip": "10.1.2.3", "source.workload.name": "cart",
            "request.headers": [{"key": "x-team", "value": "blue"}, {"key": "x-b", "value": ""}],
            "source.labels": [{"key": "app", "value": "cart"}], "response.size": 1000, "connection.mtls": True,
            "response.duration": timedelta(seconds=2), "context.time": datetime(2025, 1, 31, 12, tzinfo=UTC),
        },
        {"response.code": 200, "request.method": "GET", "source.ip": "::ffff:10.9.9.9", "request.headers": []},
        {"source.ip": "2001:db8::1"},
    ],
    schema=LOGENTRY,
    strict=False,
)  # fmt: skip


def over_rows(text: str, want: pl.DataType | None = None) -> list[object]:
    return ROWS.with_columns(answer=compile_expression(text, want=want).expression)["answer"].to_list()


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("response.code >= 500", [True, False, None]),
        ("response.code >= 500 || true", [True, True, True]),
        ("response.code >= 500 && false", [False, False, False]),
        ("!(response.code == 200)", [True, False, None]),
        ('request.method in ["POST", "PUT"]', [True, False, None]),
        ("has(response.code)", [True, True, False]),
        ('request.headers["x-team"] == "blue"', [True, None, None]),
        ("request.headers['x-b']", ["", None, None]),
        ("source.labels.app", ["cart", None, None]),
        ("has(source.labels.app)", [True, False, False]),
        ('has(request.headers["x-team"])', [True, False, False]),
        ('"x-team" in request.headers', [True, False, None]),
        ("size(request.headers)", [2, 0, None]),
        ("response.code >= 500 ? request.method : source.ip", ["POST", "::ffff:10.9.9.9", None]),
        ("response.code / 100", [5, 2, None]),
        ("response.code / (response.code - 200)", [1, None, None]),
        ("-response.code % 100", [-3, 0, None]),
        ("response.size * 9223372036854775807", [None, None, None]),
        ('request.method + "/" + string(response.code)', ["POST/503", "GET/200", None]),
        ('request.method.matches("^P(OS|U)T$")', [True, False, None]),
        ('matches(request.method, r"\\w+")', [True, True, None]),
        ("request.method.lowerAscii()", ["post", "get", None]),
        ("request.method.substring(1)", ["OST", "ET", None]),
        ("request.method.substring(1, 4)", ["OST", None, None]),
        ("request.method.charAt(3)", ["T", "", None]),
        ('request.method.indexOf("ST")', [2, -1, None]),
        ('request.method.replace("O", "_")', ["P_ST", "GET", None]),
        ('"ET" in request.method.split("G")', [False, True, None]),
        ('(" " + request.method + " ").trim()', ["POST", "GET", None]),
        ("ip(source.ip).family()", [4, 4, 6]),
        ("isIP(source.ip) && !ip(source.ip).isLoopback()", [True, True, True]),
        ('response.duration > duration("1.5s")', [True, None, None]),
        ("response.duration.getSeconds()", [2, None, None]),
        ('(response.duration + duration("345678us")).getMilliseconds()', [345, None, None]),
        ('(duration("654321us") - response.duration).getMilliseconds()', [-345, None, None]),
        ("uint(double(response.code) - 503.5)", [None, None, None]),
        ("uint(double(response.code) - 502.5)", [0, None, None]),
        ("- 9223372036854775808 < response.code", [True, True, None]),
        ("-(-9223372036854775808) < response.code", [None, None, None]),
        ("-\n1 + response.code - -1", [503, 200, None]),
        ('context.time + duration("1h") == timestamp("2025-01-31T13:00:00Z")', [True, None, None]),
        ('cidr("10.0.0.0/8").containsIP(source.ip)', [True, True, False]),
        ('ip(source.ip) == ip("10.9.9.9")', [False, True, False]),
        ('cidr("2001:db8::/32").containsIP(ip(source.ip))', [False, False, True]),
        ("connection.mtls", [True, None, None]),
        ("1.5e3 + double(response.code)", [2003.0, 1700.0, None]),
    ],
)
def test_each_row_gets_its_answer(text: str, answers: list[object]) -> None:
    assert over_rows(text) == answers


def test_a_match_that_fails_does_not_match() -> None:
    assert over_rows("response.code >= 500", pl.Boolean()) == [True, False, False]


def test_an_integer_serves_where_a_double_is_wanted() -> None:
    assert over_rows("response.code", pl.Float64()) == [503.0, 200.0, None]


def test_an_expression_says_which_attributes_it_reads() -> None:
    text = 'response.code > 499 || request.headers["x"] == "1" || has(source.labels.app)'
    compiled = compile_expression(text)
    assert compiled.reads == {"response.code", "request.headers", "source.labels"}
    assert (compiled.text, compiled.dtype) == (text, pl.Boolean)


def test_an_expression_that_reads_nothing_holds_for_every_row() -> None:
    assert ROWS.filter(compile_expression("true").expression).height == ROWS.height


def test_every_attribute_can_be_read() -> None:
    for name in LOGENTRY:
        assert ROWS.with_columns(answer=compile_expression(f"has({name})").expression)["answer"].null_count() == 0


def test_lists_and_enumerations_of_other_templates_can_be_read() -> None:
    vocabulary = {"kind": pl.Enum(["counter", "gauge"]), "bounds": pl.List(pl.Float64), "value": pl.Float32}
    rows = pl.DataFrame({"kind": ["gauge", None], "bounds": [[0.5, 1.0], None], "value": [1, 2]}, schema=vocabulary)
    compiled = compile_expression('kind == "gauge" && 0.5 in bounds && value < 2.0', vocabulary, want=None)
    assert rows.with_columns(answer=compiled.expression)["answer"].to_list() == [True, False]


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("respons.code == 1", "respons", ["no attribute respons.code", "did you mean response.code"]),
        ('true && source.workload == "x"', "source", ["its attributes: source.workload.name"]),
        ('request.query_params == "x"', "request", ["not carried: in request.path"]),
        ('response.code == "500"', '"500"', ["== can't take int and string"]),
        ("response.code + 1.5 > 2.0", "1.5", ["+ can't take int and double", "int and int"]),
        ("response.code && true", "response", ["&& takes bool, but this is int"]),
        ("response.code", "response", ["this is int, but bool is needed here"]),
        ("source.ip == null", "null", ["has(attribute)"]),
        ('source.ip.matches("(")', '"("', ["not a regular expression: unclosed group"]),
        ("source.ip.matches(source.name)", "source.name", ["needs a literal"]),
        ("source.ip.exists(x, x)", "source", ["the macro exists() is not supported"]),
        ('source.ip.startswith("1")', "source", ["did you mean startsWith?"]),
        ('startsWith(source.ip, "1")', "startsWith", ["text.startsWith(…)"]),
        ("source.ip.size().foo()", "source", ["the function foo() is not supported", "startsWith"]),
        ('duration("5d") < response.duration', '"5d"', ["is no duration", "1h30m"]),
        ('duration("999999999h") < response.duration', '"999999999h"', ["292 years"]),
        ('timestamp("today") < context.time', '"today"', ["is no timestamp"]),
        ('timestamp("2025-02-30T00:00:00Z") < context.time', '"2025', ["day is out of range"]),
        ('cidr("10.0.0.1/8").containsIP(source.ip)', '"10.0.0.1/8"', ["host bits set"]),
        ('ip("10.0.0.256") == ip(source.ip)', '"10.0.0.256"', ["is no IP address"]),
        ('cidr("10.0.0.0/8")', "cidr", ["containsIP"]),
        ("request.headers[source.ip]", "source.ip", ["a key must be a literal string"]),
        ('source.ip["x"]', "source", ['string has no key "x"']),
        ('response.code in ["a"]', '"a"', ["int can't be in a list with string"]),
        ("response.code in source.ip", "source", ["int can't be in string"]),
        ("true ? 1 : 1.5", "1.5", ["int and double; they must agree"]),
        ("has(1 + 1)", "has", ["has() takes one attribute"]),
        ("[1] == [1]", "[1]", ["to the right of `in`"]),
        ('{"a": 1}', "{", ["a map literal is not supported"]),
        ('b"x" == b"x"', 'b"x"', ["bytes are not supported"]),
        (r'source.ip == "\q"', '"\\q"', ["is no escape of CEL"]),
        (r'source.ip == "\ud800"', '"\\ud800"', ["no character of Unicode"]),
        ("99999999999999999999 == 1", "9999", ["out of range for int"]),
        ("--9223372036854775808 == 1", "-922", ["out of range for int"]),
        ("-(9223372036854775808) == 1", "922", ["out of range for int"]),
        ("-1 == 1 @ 2", "@", ["this is not CEL"]),
        ('source.ip == "abc', '"abc', ["never ends"]),
    ],
)
def test_a_fault_is_shown_where_it_is(text: str, at: str, words: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    fault = caught.value
    assert fault.position == text.index(at)
    assert f"\n  {text}\n  {' ' * fault.position}^" in str(fault)
    assert all(word in str(fault) for word in words), str(fault)


def test_the_caret_stands_under_the_faulty_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("has(source.ip) &&\n  source.pi == '1'")
    assert "\n    source.pi == '1'\n    ^\n" in str(caught.value)


def test_control_characters_are_not_shown_to_the_terminal() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("source.ip == '\x1b[31m' + 1")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("a" * (MAX_BYTES + 1), "more than 4096"),
        ("!" * (MAX_DEPTH + 1) + "true", "deeper than 64"),
        ("!" * 4000 + "true", "deeper than 64"),
        ("+".join(["1"] * 2000), "deeper than 64"),
        ("true ? 1 : " * 300 + "1", "deeper than 64"),
        ("(" * 4000, "ends too early"),
    ],
)
def test_what_is_too_much_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        compile_expression(text)


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_a_long_list_of_terms_is_not_deep(operator: str) -> None:
    text = operator.join(["response.code==1"] * 220)
    assert over_rows(text) == [False, False, None]


def test_parentheses_are_not_depth() -> None:
    assert over_rows("(" * 2000 + "has(source.ip)" + ")" * 2000) == [True, True, True]
