"""Batches of every template with anything in them, for laws."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.by_context import ByContext

TEXTS = st.one_of(
    st.none(), st.text(max_size=8), st.sampled_from(["", "x" * 13, "\x00", "🦊" * 5, "a'b\"c\n", "y" * 100_000])
)


def values(dtype: Any) -> st.SearchStrategy[Any]:
    """Anything that a column of the dtype can hold."""
    if isinstance(dtype, pl.Struct) or dtype == pl.Struct:
        fields = getattr(dtype, "fields", [])
        return st.none() | st.fixed_dictionaries({field.name: values(field.dtype) for field in fields})
    if isinstance(dtype, pl.List):
        return st.none() | st.lists(values(dtype.inner), max_size=3)
    if isinstance(dtype, pl.Enum):
        return st.none() | st.sampled_from(dtype.categories.to_list())
    if dtype == pl.String:
        return TEXTS
    if dtype == pl.Boolean:
        return st.none() | st.booleans()
    if dtype.is_float():
        return st.none() | st.floats() | st.sampled_from([0.0, -0.0])
    high = 2 ** dtype_bits(dtype)
    low = 0 if dtype.is_unsigned_integer() else -high
    return st.none() | st.integers(low, high - 1) | st.integers(max(low, 0), min(high - 1, 300))


def dtype_bits(dtype: Any) -> int:
    if dtype.is_unsigned_integer():
        return {pl.UInt8: 8, pl.UInt16: 16, pl.UInt32: 32}.get(dtype.base_type(), 64)
    return {pl.Int8: 7, pl.Int16: 15, pl.Int32: 31}.get(dtype.base_type(), 62)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """A batch of few distinct rows, repeated: many rows or few, keyed or not, filtered or not."""
    template = draw(st.sampled_from(list(Template)))
    schema = dict(SCHEMAS[template])
    if template is Template.METRIC:
        schema["labels"] = pl.Struct({"a": pl.String, "b": pl.String})
    filled = draw(st.sets(st.sampled_from(list(schema)), max_size=12)) | (schema.keys() & {"context.key"})
    height = draw(st.integers(1, 4))
    columns = {
        name: column(
            draw(st.lists(values(dtype), min_size=height, max_size=height)) if name in filled else None, dtype, height
        )
        for name, dtype in schema.items()
    }
    rows = pl.DataFrame(list(columns.values()), schema=list(columns))
    rows = rows.select(pl.all().gather(pl.Series(draw(st.sampled_from([range(height), at(height, 700)])))))
    known = None
    if "context.key" in schema and draw(st.booleans()):
        key = pl.Series("context.key", [index % height for index in range(len(rows))], dtype=pl.UInt32)
        rows = rows.with_columns(key)
        names = draw(st.sampled_from([frozenset(schema), frozenset(filled)])) - {"context.key"}
        known = draw(st.sampled_from([None, ByContext(names, object(), np.arange(height, dtype=np.uint32)[::-1])]))
    named = draw(st.text(max_size=5)), draw(st.integers(0, 2**63)), draw(st.integers(0, 2**40))
    batch = Batch(template, rows, *named, by_context=known)
    return batch.slice(1, len(rows) - 1) if draw(st.booleans()) else batch


def at(height: int, count: int) -> list[int]:
    return [index % height for index in range(count)]


def column(drawn: list[Any] | None, dtype: Any, height: int) -> pl.Series:
    if drawn is None:
        return pl.Series([None] * height, dtype=dtype)
    return pl.Series(drawn, dtype=timeless(dtype)).cast(dtype)


def timeless(dtype: Any) -> Any:
    """The same with integers in place of times, which Python's own can't hold to the nanosecond."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: timeless(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.List):
        return pl.List(timeless(dtype.inner))
    return pl.Int64 if dtype.is_temporal() else dtype


def assert_equal(one: Batch, other: Batch) -> None:
    assert (one.template, one.receiver, one.epoch, one.sequence) == (
        other.template,
        other.receiver,
        other.epoch,
        other.sequence,
    )
    assert one.rows.schema == other.rows.schema
    assert one.rows.equals(other.rows)
    assert one.row_numbers.to_list() == other.row_numbers.to_list()
    for name, dtype in one.rows.schema.items():
        if dtype == pl.Float64:  # to the last bit: -0.0 is not 0.0
            assert one.rows[name].reinterpret(signed=True).equals(other.rows[name].reinterpret(signed=True))
