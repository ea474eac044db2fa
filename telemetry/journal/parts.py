"""A frame taken apart by its layout, and put together again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from telemetry.journal.layout import Keys, Kind, Layout, spans
from telemetry.journal.likeness import same

__all__ = ["Parts", "put_together", "take_apart"]

CODES = "codes"


@dataclass(frozen=True, slots=True)
class Parts:
    """What is stored of a frame. Columns go by their position in it."""

    columns: list[Any]
    """What became of each: a kind, or a kind and its argument (SAME: the other's position, SPAN: the least)."""
    keyed: pl.DataFrame
    """A row for each key; the column `codes` of `packed` tells which row belongs to which."""
    packed: pl.DataFrame
    """What is worth compressing."""
    plain: pl.DataFrame
    """What is not."""


def take_apart(rows: pl.DataFrame, keys: Keys | None, layout: Layout, told: Collection[str] = ()) -> Parts:
    """Take a frame (columns named by position) apart. What the layout does not fit is packed.

    `told`: columns that are known to follow from the keys, which nobody has to look at again.
    """
    fits = _Fits(rows, keys, layout, told if keys else ())
    columns: list[Any] = []
    packed: list[pl.Series] = []
    plain: list[pl.Series] = []
    for kind, twin, column in zip(layout.kinds, layout.twins, rows, strict=True):
        if kind is Kind.SAME and fits.same(str(twin), column.name):
            columns.append([kind, twin])
        elif kind is Kind.KEYED and column.name in fits.keyed:
            columns.append(kind)
        elif kind is Kind.SPAN and column.name in fits.spans:
            least, narrow = fits.spans[column.name]
            columns.append([kind, least])
            # One byte each mostly repeats; four hardly do.
            (plain if narrow.dtype == pl.UInt32 else packed).append(narrow)
        elif kind is Kind.NULL and column.null_count() == len(column):
            columns.append(kind)
        elif kind is Kind.PLAIN:
            columns.append(kind)
            plain.append(column)
        else:
            columns.append(Kind.PACKED)
            packed.append(column)
    if keys:
        packed.append(keys.codes.alias(CODES))
    return Parts(columns, fits.table, pl.DataFrame(packed), pl.DataFrame(plain))


class _Fits:
    """For which columns the layout holds in these rows, too."""

    def __init__(self, rows: pl.DataFrame, keys: Keys | None, layout: Layout, told: Collection[str]) -> None:
        wanted = layout.names(Kind.KEYED)
        self.keyed = keys.decided(rows, set(wanted).difference(told)).union(told) if keys else set()
        kept = [name for name in wanted if name in self.keyed]
        self._rows = rows
        self._first = rows.select({*kept, *told})[keys.first] if keys and self.keyed else pl.DataFrame()
        self._told = frozenset(told)
        self.table = self._first.select(kept)
        self.spans = spans(rows, layout.names(Kind.SPAN))

    def same(self, one: str, other: str) -> bool:
        """Whether two columns are equal: where both follow from the keys, one row for each key tells."""
        frame = self._first if {one, other} <= self._told else self._rows
        return same(frame[one], frame[other])


def put_together(parts: Parts, schema: Mapping[str, pl.DataType], height: int) -> pl.DataFrame:
    """Give the frame that was taken apart, its columns named as in `schema`."""
    names = list(map(str, range(len(schema))))
    dtypes = dict(zip(names, schema.values(), strict=True))
    kinds = [how if isinstance(how, str) else how[0] for how in parts.columns]
    empty = [name for name, kind in zip(names, kinds, strict=True) if kind == Kind.NULL]
    least = {name: how[1] for name, how in zip(names, parts.columns, strict=True) if how[0] == Kind.SPAN}
    sources = [_nulls({name: dtypes[name] for name in empty}, height)]
    if parts.keyed.width:
        sources.append(parts.keyed[parts.packed[CODES]])
    sources += [_lifted(frame, least, dtypes) for frame in (parts.packed, parts.plain) if frame.width]
    found = {column.name: column for frame in sources for column in frame}
    for name, how in zip(names, parts.columns, strict=True):
        if how[0] == Kind.SAME:
            found[name] = found[str(how[1])]
    columns = [found[name].alias(given) for name, given in zip(names, schema, strict=True)]
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=height)


def _nulls(dtypes: Mapping[str, pl.DataType], height: int) -> pl.DataFrame:
    """Give columns without values: those of one dtype share their memory."""
    made: dict[pl.DataType, pl.Series] = {}
    for dtype in dtypes.values():
        if dtype not in made:
            made[dtype] = pl.Series([None], dtype=dtype).new_from_index(0, height)
    return pl.DataFrame([made[dtype].alias(name) for name, dtype in dtypes.items()])


def _lifted(frame: pl.DataFrame, least: Mapping[str, int], dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Add what was taken from the integers, and give them their dtype again."""
    back: list[pl.Expr] = []
    for name in frame.columns:
        if name in least:
            dtype = dtypes[name]
            numbers = pl.col(name).cast(_physical(dtype))
            back.append((numbers + least[name] if least[name] else numbers).cast(dtype))
    return frame.with_columns(back) if back else frame


@lru_cache(maxsize=256)
def _physical(dtype: pl.DataType) -> pl.DataType:
    return pl.Series(dtype=dtype).to_physical().dtype
