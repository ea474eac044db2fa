"""CEL's own conformance cases: what we take gives what it must, and what we don't take is refused by name."""

from collections import Counter

import polars as pl

from telemetry.expressions import ExpressionError
from telemetry.expressions import compile as compile_expression
from tests.expressions.conformance.cases import ERROR, Case, answer, cases, same

# docs/expressions.md says why.
OTHERWISE = {"network_ext/ip_type/parse_invalid_ipv4_in_ipv6"}


def frame(case: Case, vocabulary: dict) -> pl.DataFrame:
    columns = {name: pl.Series([case.row.get(name)], dtype=dtype) for name, dtype in vocabulary.items()}
    return pl.DataFrame(columns or {"nothing": [0]})


def named(fault: ExpressionError) -> bool:
    return 0 <= fault.position <= len(fault.text) and len(fault.message) > 10


def outcome(case: Case) -> str:
    """Say what became of a case: `taken` where ours is the answer, else what is wrong or missing."""
    if case.vocabulary is None:
        return "other types"
    try:
        column = compile_expression(case.text, case.vocabulary, want=None).expression
    except ExpressionError as fault:
        return "refused" if named(fault) else "refused without a word"
    ours = answer(frame(case, case.vocabulary), column)
    right = ours is None if case.expected is ERROR else same(ours, case.expected)
    return "taken" if right else f"{ours!r} instead of {case.expected!r}"


def test_every_case_is_right_or_refused_by_what_is_missing() -> None:
    outcomes = {case.name: outcome(case) for case in cases()}
    wrong = {name: said for name, said in outcomes.items() if said not in ("taken", "refused", "other types")}
    assert wrong.keys() == OTHERWISE, wrong
    counts = Counter(outcomes.values())
    # Fewer than these would mean that something was lost; docs/expressions.md has the figures.
    assert counts["taken"] >= 560
    assert counts["refused"] <= 1300
