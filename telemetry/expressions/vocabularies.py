"""What an expression may name in the rows of each template."""

from collections.abc import Mapping

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.expressions.kinds import kind_of

__all__ = ["VOCABULARIES"]

# A point's value is an increase over an interval that nobody chose: no condition should hang on it.
_POINT = ("metric", "kind", "unit", "labels")


def _readable(template: Template) -> Mapping[str, pl.DataType | type[pl.DataType]]:
    return {name: dtype for name, dtype in SCHEMAS[template].items() if kind_of(dtype) is not None}


VOCABULARIES: Mapping[Template, Mapping[str, pl.DataType | type[pl.DataType]]] = {
    **{template: _readable(template) for template in Template},
    Template.METRIC: {name: SCHEMAS[Template.METRIC][name] for name in _POINT},
}
"""Names and types by template. `labels` is a map of whatever labels a batch has; one that it lacks is absent."""
