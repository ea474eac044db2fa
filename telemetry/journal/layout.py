"""How each column of a batch is stored: whatever follows from something else is left out."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from telemetry.journal.keyed import KeyTables
from telemetry.journal.keys import Keys
from telemetry.journal.likeness import comparable, is_one, same
from telemetry.journal.spans import can_span, spans
from telemetry.journal.streams import worth_packing
from telemetry.journal.texts import Words, beginnings, is_few

__all__ = ["Kind", "Layout", "layout_of"]

_SAMPLE = 256


class Kind(StrEnum):
    """What stands for a column."""

    NULL = "null"
    """Nothing: all null."""
    KEYED = "keyed"
    """A row for each key: rows with equal keys have equal values."""
    ONE = "one"
    """Its one value, which every row has."""
    SAME = "same"
    """Another column's name: the two are equal."""
    SPAN = "span"
    """What its integers (times, durations) are above the least of them, in as few bytes as that takes."""
    FEW = "few"
    """Which of few texts it is, and those texts."""
    PREFIX = "prefix"
    """Another column's name and, for each row, how many bytes of that text its own is."""
    PACKED = "packed"
    """The column, compressed."""
    PLAIN = "plain"
    """The column as it is: compressing it would cost more than the bytes that it saves."""


_KNOWN = (Kind.NULL, Kind.ONE)
_WHOLE = (Kind.PACKED, Kind.PLAIN)


@dataclass(frozen=True, slots=True)
class Layout:
    """The kinds of a frame's columns, in their order."""

    kinds: tuple[Kind, ...]
    twins: tuple[int, ...]
    """For SAME: the position of the column that it equals; for PREFIX: of the one that it begins."""
    plain: frozenset[str] = frozenset()
    """Columns whose values are stored as they are: to compress them would cost more than the bytes that it saves."""
    words: Words = field(default_factory=Words, compare=False)
    """What its FEW columns have had so far."""
    tables: KeyTables = field(default_factory=KeyTables, compare=False)
    """What its KEYED columns have had so far."""

    def names(self, kind: Kind) -> list[str]:
        """Give the columns of a kind, by position."""
        return [str(at) for at, one in enumerate(self.kinds) if one is kind]

    @property
    def same(self) -> dict[str, str]:
        """Give the SAME columns, each with the one that it equals, by position."""
        pairs = zip(self.kinds, self.twins, strict=True)
        return {str(at): str(twin) for at, (kind, twin) in enumerate(pairs) if kind is Kind.SAME}

    @classmethod
    def simple(cls, rows: pl.DataFrame) -> "Layout":
        """Give the layout of a small frame: nothing is worth looking for but columns without values."""
        nulls = [column.null_count() == len(column) for column in rows]
        return cls(tuple(Kind.NULL if null else Kind.PACKED for null in nulls), tuple(range(len(nulls))))


def layout_of(rows: pl.DataFrame, keys: Keys | None, told: Collection[str] = ()) -> Layout:
    """Work out the layout that fits these rows, and will most likely fit the next of this schema.

    `told`: columns that are known to follow from the keys.
    """
    asked = [column.name for column in rows if _may_be_keyed(column.dtype) and column.name not in told]
    keyed = keys.decided(rows, keys.first_rows(rows, asked)).union(told, {keys.name}) if keys else set()
    kinds: list[Kind] = []
    twins: list[int] = []
    for at, column in enumerate(rows):
        kind = _kind(column, keyed, told)
        if kind not in _KNOWN and (twin := _twin(rows, kinds, column, told)) is not None:
            kind = Kind.SAME
        elif kind in _WHOLE and (twin := _longer(rows, kinds, column)) is not None:
            kind = Kind.PREFIX
        else:
            twin = at
        kinds.append(kind)
        twins.append(twin)
    return Layout(tuple(kinds), tuple(twins), _plain(rows, kinds, keys))


def _may_be_keyed(dtype: pl.DataType) -> bool:
    """Whether to look at what the keys' rows have costs less than to store a small integer for each row."""
    return comparable(dtype) and not can_span(dtype)


def _kind(column: pl.Series, keyed: Collection[str], told: Collection[str]) -> Kind:
    if column.null_count() == len(column):
        return Kind.NULL
    if column.name not in told and is_one(column):
        return Kind.ONE
    if column.name in keyed:
        return Kind.KEYED
    if can_span(column.dtype):
        return Kind.SPAN
    if column.dtype == pl.String and is_few(column):
        return Kind.FEW
    return Kind.PLAIN if _distinct(column) else Kind.PACKED


def _plain(rows: pl.DataFrame, kinds: list[Kind], keys: Keys | None) -> frozenset[str]:
    names = [column.name for column, kind in zip(rows, kinds, strict=True) if kind is Kind.SPAN]
    integers = [values for _, values in spans(rows, names).values() if values is not None]
    integers += [keys.codes] if keys else []
    wide = {values.name for values in integers if not worth_packing(values)}
    return frozenset(wide.union(column.name for column, kind in zip(rows, kinds, strict=True) if kind is Kind.PLAIN))


def _twin(rows: pl.DataFrame, kinds: list[Kind], column: pl.Series, told: Collection[str]) -> int | None:
    if not comparable(column.dtype):
        return None
    for at, kind in enumerate(kinds):
        other = rows.to_series(at)
        if (other.name in told) != (column.name in told):  # those are compared key by key, others row by row
            continue
        if kind in (Kind.NULL, Kind.ONE, Kind.SAME) or other.dtype != column.dtype:
            continue
        if same(other[:_SAMPLE], column[:_SAMPLE]) and same(other, column):
            return at
    return None


def _longer(rows: pl.DataFrame, kinds: list[Kind], column: pl.Series) -> int | None:
    """Find a text that begins with this one in every row: a path with its query begins with the path."""
    sample = column[:_SAMPLE]
    # Ids are of one length; that one begins another is a coincidence, and as a rule over at the next request.
    if column.dtype != pl.String or sample.str.len_bytes().n_unique() == 1:
        return None
    texts = (at for at, kind in enumerate(kinds) if kind in _WHOLE and rows.to_series(at).dtype == pl.String)
    likely = (at for at in texts if beginnings(sample, rows.to_series(at)[:_SAMPLE]) is not None)
    return next((at for at in likely if beginnings(column, rows.to_series(at)) is not None), None)


def _distinct(column: pl.Series) -> bool:
    """Whether the text in the column hardly repeats: ids and paths. To compress them costs more than to write them."""
    sample = column[:_SAMPLE].drop_nulls()
    return column.dtype in (pl.String, pl.Binary) and len(sample) > 0 and sample.n_unique() > 0.5 * len(sample)
