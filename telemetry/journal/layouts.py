"""The layouts of one schema: what fitted the batch before mostly fits the next."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from telemetry.journal.keys import Keys
from telemetry.journal.layout import Layout, layout_of
from telemetry.journal.streams import plain

__all__ = ["FEW_ROWS", "Layouts"]

FEW_ROWS = 256
"""Fewer are cheap however they are stored."""
# A layout is worked out anew after 1, 3, 7, .. and at last so many batches: what was not equal then may be now.
_LASTS = 256
_MAX = 64


@dataclass(slots=True)
class _Remembered:
    """A layout that is used for `left` more batches of the `lasts` that it was made for."""

    layout: Layout = field(default_factory=lambda: Layout((), ()))
    left: int = 0
    lasts: int = 0


class Layouts:
    """Remembers a layout for rows with and without keys, and for each set of columns that are told to follow from them.

    `schema` is the stream (deflated) that tells a reader names and dtypes.
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self.schema = zlib.compress(b"".join(plain(pl.DataFrame(schema=schema))))
        self._remembered: dict[tuple[bool, frozenset[str]], _Remembered] = {}

    def of(self, rows: pl.DataFrame, keys: Keys | None, told: frozenset[str]) -> Layout:
        """Give the layout for these rows, their columns named by position."""
        if len(rows) < FEW_ROWS:
            return Layout.simple(rows)
        if len(self._remembered) > _MAX:
            self._remembered.clear()
        one = self._remembered.setdefault((keys is None, told), _Remembered())
        if not one.left:
            one.lasts = one.left = min(2 * one.lasts + 1, _LASTS)
            one.layout = layout_of(rows, keys, told)
        one.left -= 1
        return one.layout
