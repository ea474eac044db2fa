"""Batches that another version of this program has stored, with the columns that this one has."""

from dataclasses import replace

import polars as pl

from telemetry.batch import SCHEMAS, Batch

__all__ = ["fitted"]


def fitted(batch: Batch) -> Batch:
    """Give the batch with exactly the columns of its template: new ones are null, those that are no more are left out.

    Raises polars' exceptions when a column can't be of the dtype that it has now.
    """
    schema, have = SCHEMAS[batch.template], batch.rows.schema
    if list(have) == list(schema) and all(have[name] == dtype for name, dtype in schema.items()):
        return batch
    return replace(batch, rows=batch.rows.select(_column(name, dtype, have) for name, dtype in schema.items()))


def _column(name: str, dtype: pl.DataType | type[pl.DataType], have: pl.Schema) -> pl.Expr:
    if name not in have:
        return pl.lit(None, dtype=dtype).alias(name)
    # A dtype without its particulars (labels: any Struct) fits as it is.
    return pl.col(name) if have[name] == dtype else pl.col(name).cast(dtype)
