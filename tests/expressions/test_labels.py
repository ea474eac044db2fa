"""Expressions over labels, of which nobody knows the names beforehand; and what an expression is made of."""

import polars as pl
import pytest

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions import VOCABULARIES, ExpressionError, terms
from telemetry.expressions import compile as compile_expression

POINTS = pl.DataFrame({
    "metric": ["a_total", "b_total"],
    "labels": [{"reporter": "source", "code": "200"}, {"reporter": "destination", "code": None}],
})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ('labels.reporter == "source"', [True, False]),
        ('labels["reporter"] != "source"', [False, True]),
        ('labels.code == "200"', [True, False]),
        ("has(labels.code)", [True, False]),
        ('"code" in labels', [True, False]),
        ("has(labels.elsewhere)", [False, False]),
        ('labels.elsewhere == "x" || metric == "b_total"', [False, True]),
        ('labels.elsewhere == ""', [False, False]),
    ],
)
def test_a_label_is_a_key_of_a_map_and_one_that_is_not_there_is_absent(text, answers):
    vocabulary = {**VOCABULARIES[Template.METRIC], "labels": POINTS.schema["labels"]}
    assert POINTS.select(compile_expression(text, vocabulary).expression).to_series().to_list() == answers


def test_any_label_may_be_named_before_a_batch_has_come():
    compiled = compile_expression('labels.anything == "x"', VOCABULARIES[Template.METRIC])
    assert compiled.reads == {"labels"}


@pytest.mark.parametrize(
    "text", ["labels", "size(labels) > 1", 'labels == "x"', "labels[metric] == 'x'", "value > 1.0"]
)
def test_what_labels_are_not_is_refused(text):
    with pytest.raises(ExpressionError):
        compile_expression(text, VOCABULARIES[Template.METRIC])


def test_every_template_has_its_vocabulary():
    assert VOCABULARIES.keys() == SCHEMAS.keys()
    assert "requests" in VOCABULARIES[Template.EDGE]
    assert "latency" not in VOCABULARIES[Template.EDGE]
    assert {"span.kind", "response.code"} <= VOCABULARIES[Template.TRACESPAN].keys()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b == 1", ("a.b == 1",)),
        ("a && b&&c", ("a", "b", "c")),
        ('(a || b) && x in ["&&", "c"] && !d', ("(a || b)", 'x in ["&&", "c"]', "!d")),
        ("((a && b))", ("a", "b")),
        ("a || b && c", ("a || b && c",)),
    ],
)
def test_terms_are_what_the_outermost_and_joins(text, parts):
    assert terms(text) == parts
