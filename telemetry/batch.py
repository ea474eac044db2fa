"""Batch, of a Template by its SCHEMAS: the only thing that flows."""

from dataclasses import dataclass, replace

import polars as pl

from telemetry.by_context import ByContext
from telemetry.schemas import (
    EDGE_REPORTER,
    EXEMPLAR,
    EXPONENTIAL,
    HOP_MATCH,
    LATENCY,
    METRIC_KIND,
    NUMBERS_LACK,
    SCHEMAS,
    SPAN_KIND,
    SPAN_STATUS,
    Template,
)

__all__ = [
    "EDGE_REPORTER",
    "EXEMPLAR",
    "EXPONENTIAL",
    "HOP_MATCH",
    "LATENCY",
    "METRIC_KIND",
    "NUMBERS_LACK",
    "SCHEMAS",
    "SPAN_KIND",
    "SPAN_STATUS",
    "Batch",
    "Template",
    "fault_of",
]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one template. `receiver`, `epoch` and `sequence` name it, so that a sink can drop duplicates.

    `rows` has exactly the columns and dtypes of SCHEMAS[template]; `epoch` is the start of the receiving process
    in nanoseconds since 1970, `sequence` counts its batches. A row is named by those three and its number, which it
    keeps when a batch is filtered or split: `row_numbers` gives them (UInt32, ascending).
    """

    template: Template
    rows: pl.DataFrame
    receiver: str
    epoch: int
    sequence: int
    kept: pl.Series | None = None
    """Row numbers where rows were left out; None where every row is still there."""
    by_context: ByContext | None = None
    """Columns known to follow from context.key, which saves finding it out."""

    @property
    def row_numbers(self) -> pl.Series:
        """The number of each row in the batch as it was made."""
        return pl.int_range(len(self.rows), dtype=pl.UInt32, eager=True) if self.kept is None else self.kept

    def take(self, positions: pl.Series) -> "Batch":
        """Give the batch with only the rows at these positions (integers, ascending), or where True (a mask)."""
        if positions.dtype == pl.Boolean:
            if 4 * int(positions.sum()) >= len(positions):
                return replace(self, rows=_filtered(self.rows, positions), kept=self.row_numbers.filter(positions))
            positions = positions.arg_true()
        return replace(self, rows=self.rows[positions], kept=self.row_numbers.gather(positions))

    def slice(self, offset: int, length: int) -> "Batch":
        """Give `length` rows from position `offset` on."""
        return replace(self, rows=self.rows.slice(offset, length), kept=self.row_numbers.slice(offset, length))

    @property
    def size_bytes(self) -> int:
        """How much memory the rows hold, estimated; buffers shared between batches count in each."""
        return int(self.rows.estimated_size())


def _filtered(rows: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """Give the rows where True, most of them: what is null in all is not copied, and lists are faster gathered."""
    null: list[str] = []
    lists: list[str] = []
    others: list[str] = []
    for column in rows.iter_columns():
        is_list = isinstance(column.dtype, pl.List)
        of_its_kind = null if column.null_count() == len(column) else lists if is_list else others
        of_its_kind.append(column.name)
    parts = [rows[null].head(int(chosen.sum()))] if null else []
    parts += [rows[lists][chosen.arg_true()]] if lists else []
    parts += [rows[others].filter(chosen)] if others else []
    return pl.concat(parts, how="horizontal")[rows.columns]


def fault_of(batch: Batch) -> str | None:
    """Say how a batch breaks its schema, or None: for tests and for plugins under development."""
    want = SCHEMAS[batch.template]
    have = batch.rows.schema
    if list(have) != list(want):
        missing, extra = sorted(set(want) - set(have)), sorted(set(have) - set(want))
        return (
            f"{batch.template}: missing columns {missing}, unknown columns {extra}"
            if missing or extra
            else (f"{batch.template}: columns are out of order")
        )
    for name, dtype in want.items():
        if have[name] != dtype:
            return f"{batch.template}: column {name} is {have[name]}, not {dtype}"
    return None
