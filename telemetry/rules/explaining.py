"""Say of each row which rules matched, which didn't and on which term, and what each handler would receive."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.config.rules import PROBED, ProbeSettings, RuleSettings
from telemetry.expressions import terms
from telemetry.processors.probes import is_probe
from telemetry.rules.matching import compiled_for, shape_of
from telemetry.rules.rules import DEFAULT, Rules

__all__ = ["Decision", "Received", "RowExplanation", "Why", "explain"]


class Decision(StrEnum):
    """What becomes of a row at a handler."""

    DELIVERED = "delivered"
    FILTERED = "filtered"
    SAMPLED_OUT = "sampled_out"
    NOT_ACCEPTED = "not_accepted"


@dataclass(frozen=True, slots=True)
class Why:
    """What one rule makes of a row. `default` is the rule of handlers that no other names."""

    rule: str
    handlers: tuple[str, ...]
    matched: bool
    term: str = ""
    """The first term (of those that `&&` joins) that was false or could not be told; empty where the rule matched."""
    absent: bool = False
    """That term could not be told: an attribute is missing, or a calculation failed."""


@dataclass(frozen=True, slots=True)
class Received:
    """What becomes of a row at one handler. `rules`: the names of those that matched."""

    handler: str
    decision: Decision
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowExplanation:
    """All that is to be said of one row; `row` is its position in the batch."""

    row: int
    rules: tuple[Why, ...]
    handlers: tuple[Received, ...]


def explain(rules: Rules, batch: Batch, accepts: Mapping[str, Collection[Template]]) -> Sequence[RowExplanation]:
    """Explain every row of a batch; `accepts`: what each handler accepts, by name.

    Rate limits are explained as if nothing had gone before: this takes nothing from the real ones.
    """
    plans = {name: rules.plan(name, templates) for name, templates in accepts.items()}
    rows = len(batch.rows)
    verdicts = list(_verdicts(rules, batch, plans))
    received = [_received(rules, batch, name, accepts[name], verdicts) for name in accepts]
    return [
        RowExplanation(row, tuple(one[row] for one in verdicts), tuple(one[row] for one in received))
        for row in range(rows)
    ]


_Plans = Mapping[str, Mapping[Template, tuple[RuleSettings, ...]] | None]


def _verdicts(rules: Rules, batch: Batch, plans: _Plans) -> Iterator[list[Why]]:
    for rule in rules.rules:
        concerned = {name for name, plan in plans.items() if plan and rule in plan.get(batch.template, ())}
        if concerned:
            yield list(_of_rule(rule, tuple(name for name in plans if name in concerned), batch))
    if unnamed := tuple(name for name, plan in plans.items() if plan is None):
        yield list(_of_default(rules.probes, unnamed, batch))


def _of_rule(rule: RuleSettings, handlers: tuple[str, ...], batch: Batch) -> Iterator[Why]:
    parts = _terms(rule.match)
    answers = [_answers(batch, part) for part in parts]
    for row in range(len(batch.rows)):
        failed = next((at for at, answer in enumerate(answers) if answer[row] is not True), None)
        # As CEL decides: a false term is the reason even after one that could not be told.
        false = next((at for at, answer in enumerate(answers) if answer[row] is False), failed)
        if failed is None or false is None:
            yield Why(rule.name, handlers, matched=True)
        else:
            yield Why(rule.name, handlers, matched=False, term=parts[false], absent=answers[false][row] is None)


# Rows are explained one by one, for each metric that they count into.
@lru_cache(maxsize=1024)
def _terms(match: str) -> Sequence[str]:
    return terms(match)


def _answers(batch: Batch, term: str) -> list[bool | None]:
    """Give what a term is for each row; None where it can't be told."""
    return _spread(batch, compiled_for(term, shape_of(batch), None).expression)


def _spread(batch: Batch, answer: pl.Expr) -> list[bool | None]:
    """Give an answer for each row, a literal's too."""
    return batch.rows.select(pl.repeat(value=True, n=pl.len()).alias("row"), answer=answer)["answer"].to_list()


def _of_default(probes: ProbeSettings, handlers: tuple[str, ...], batch: Batch) -> Iterator[Why]:
    asked = probes.ignore and batch.template in PROBED
    probing = is_probe(probes.user_agents) if asked else pl.lit(value=False)
    for probe in _spread(batch, probing):
        yield Why(DEFAULT, handlers, matched=not probe, term="probes.ignore" if probe else "")


def _received(
    rules: Rules, batch: Batch, handler: str, accepts: Collection[Template], verdicts: Sequence[Sequence[Why]]
) -> list[Received]:
    rows = len(batch.rows)
    if batch.template not in accepts:
        return [Received(handler, Decision.NOT_ACCEPTED)] * rows
    # Of its own, so that no limit that counts is touched.
    choose = Rules(rules.rules, rules.probes).select_for(handler, accepts)
    kept = np.isin(batch.row_numbers.to_numpy(), choose(batch).batch.row_numbers.to_numpy())
    matching = [_matching(handler, [one[row] for one in verdicts]) for row in range(rows)]
    return [Received(handler, _decision(kept=kept[row], matching=matching[row]), matching[row]) for row in range(rows)]


def _matching(handler: str, verdicts: Sequence[Why]) -> tuple[str, ...]:
    return tuple(why.rule for why in verdicts if why.matched and handler in why.handlers)


def _decision(*, kept: bool, matching: Sequence[str]) -> Decision:
    if kept:
        return Decision.DELIVERED
    return Decision.SAMPLED_OUT if matching else Decision.FILTERED
