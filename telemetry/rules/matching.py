"""A rule's match, compiled once for each shape of row that comes."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import polars as pl

from telemetry.batch import Batch, Template
from telemetry.expressions import VOCABULARIES, Compiled, compile  # noqa: A004 - the verb of that room

__all__ = ["compiled_for", "shape_of"]

_LABELS = "labels"
_NO_TYPES: Mapping[str, pl.DataType] = MappingProxyType({})

Shape = tuple[Template, pl.DataType | None]
"""What the columns of a batch are: its template, and the type of its labels, if it has any."""


def shape_of(batch: Batch) -> Shape:
    """Say what shape a batch's rows have."""
    return batch.template, batch.rows.schema[_LABELS] if batch.template is Template.METRIC else None


# Labels differ from metric to metric, of which there are as many as the configuration names.
@lru_cache(maxsize=4096)
def compiled_for(text: str, shape: Shape, want: type[pl.DataType] | None = pl.Boolean) -> Compiled:
    """Compile `text` against rows of that shape: labels are known now. Raises ExpressionError as `compile` does."""
    template, labels = shape
    types = _NO_TYPES if labels is None else {_LABELS: labels}
    return compile(text, {**VOCABULARIES[template], **types}, want=want)
