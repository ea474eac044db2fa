"""A frame put together again from what was stored of it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from telemetry.journal.keys import CODES
from telemetry.journal.layout import Kind
from telemetry.journal.texts import began, chosen

__all__ = ["put_together"]


def put_together(
    stored: list[Any], keyed: pl.DataFrame, streams: list[pl.DataFrame], schema: Mapping[str, pl.DataType], height: int
) -> pl.DataFrame:
    """Give the frame that was taken apart (`stored`: Parts.columns), its columns named as in `schema`.

    `streams`: the columns that have a value for each row.
    """
    names = list(map(str, range(len(schema))))
    dtypes = dict(zip(names, schema.values(), strict=True))
    hows: dict[str, list[Any]] = {
        name: [how] if isinstance(how, str) else how for name, how in zip(names, stored, strict=True)
    }
    least = {name: how[1] for name, how in hows.items() if how[0] == Kind.SPAN}
    sources = [_nulls({name: dtypes[name] for name, how in hows.items() if how[0] == Kind.NULL}, height)]
    sources += [_ones({name: how[1] for name, how in hows.items() if how[0] == Kind.ONE}, dtypes, height)]
    sources += [_lifted(frame, least, dtypes) for frame in streams if frame.width]
    found = {column.name: column for frame in sources for column in frame}
    if keyed.width:
        found |= {column.name: column for column in keyed[found[CODES]]}
    for name, how in hows.items():
        if how[0] == Kind.FEW:
            found[name] = chosen(how[1], found[name])
    for kind in (Kind.PREFIX, Kind.SAME):  # in this order: one may be the same as another that begins a third
        for name, how in hows.items():
            if how[0] == kind:
                other = found[str(how[1])]
                found[name] = other if kind is Kind.SAME else began(found[name], other)
    columns = [found[name].alias(given) for name, given in zip(names, schema, strict=True)]
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=height)


def _nulls(dtypes: Mapping[str, pl.DataType], height: int) -> pl.DataFrame:
    """Give columns without values: those of one dtype share their memory."""
    made: dict[pl.DataType, pl.Series] = {}
    for dtype in dtypes.values():
        if dtype not in made:
            made[dtype] = pl.Series([None], dtype=dtype).new_from_index(0, height)
    return pl.DataFrame([made[dtype].alias(name) for name, dtype in dtypes.items()])


def _ones(values: Mapping[str, Any], dtypes: Mapping[str, pl.DataType], height: int) -> pl.DataFrame:
    """Give columns of one value each."""
    return pl.DataFrame([
        pl.Series(name, [value], _physical(dtypes[name])).cast(dtypes[name]).new_from_index(0, height)
        for name, value in values.items()
    ])  # fmt: skip


def _lifted(frame: pl.DataFrame, least: Mapping[str, int], dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Add what was taken from the integers, and give them their dtype again."""
    back: list[pl.Expr] = []
    for name in frame.columns:
        if name in least:
            dtype = dtypes[name]
            numbers = pl.col(name).cast(_wide(dtype))
            back.append((numbers + least[name] if least[name] else numbers).cast(dtype))
    return frame.with_columns(back) if back else frame


@lru_cache(maxsize=256)
def _physical(dtype: pl.DataType) -> pl.DataType:
    return pl.Series(dtype=dtype).to_physical().dtype


@lru_cache(maxsize=256)
def _wide(dtype: pl.DataType) -> type[pl.DataType] | pl.DataType:
    """Give an integer that holds what is above the least, too."""
    physical = _physical(dtype)
    return pl.Int64 if physical.is_signed_integer() else physical
