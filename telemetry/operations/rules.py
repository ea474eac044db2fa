"""Rules that name operations: each distinct path against each rule, in order, by column."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from telemetry.operations.memo import Numbers
from telemetry.operations.methods import METHODS
from telemetry.operations.names import NONE, Names
from telemetry.operations.settings import OperationRule

__all__ = ["Rules"]


class Rules:
    """The rules, ready to match."""

    def __init__(self, rules: Sequence[OperationRule], names: Names) -> None:
        self._rules = tuple(rules)
        self._numbers = [names.number(rule.operation) for rule in rules]
        self._methods = [np.array([not rule.methods or one in rule.methods for one in METHODS]) for rule in rules]

    def names_for(self, service: str) -> set[str]:
        """Give the operations that rules may name in that service."""
        host = pl.Series([service])
        return {rule.operation for rule in self._rules if _serves(rule, host).all()}

    def match(self, services: pl.Series, methods: Numbers, paths: pl.Series) -> Numbers:
        """Give the operation of each row, NONE where no rule matches. `methods`: indices into METHODS."""
        found = np.full(len(paths), NONE, np.uint32)
        left = np.arange(len(paths))
        for rule, number, allowed in zip(self._rules, self._numbers, self._methods, strict=True):
            some = left[allowed[methods[left]]]
            some = some[paths.gather(some).str.contains(rule.path_regex).to_numpy()]
            some = some[_serves(rule, services.gather(some)).to_numpy()]
            found[some] = number
            left = left[found[left] == NONE]
        return found


def _serves(rule: OperationRule, services: pl.Series) -> pl.Series:
    if rule.service_regex is None:
        return pl.Series([True]).new_from_index(0, len(services))
    return services.str.contains(rule.service_regex)
