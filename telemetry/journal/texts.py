"""Texts stored as numbers: those that are few by which one it is, those that begin another by their length."""

import polars as pl

from telemetry.journal.spans import narrowest

__all__ = ["MAX_WORDS", "Words", "began", "beginnings", "chosen", "is_few"]

MAX_WORDS = 255
# Shorter ones lie in Polars' own views of them, which LZ4 is quick with.
_LONG_BYTES = 16
# A head is read for every batch: texts that fill it are better compressed.
_MAX_WORDS_BYTES = 16_384


def is_few(column: pl.Series) -> bool:
    """Whether so few texts are in the column that their numbers are a byte, and so long that this pays."""
    long = int(column.str.len_bytes().sum()) > _LONG_BYTES * len(column)
    return long and column.n_unique() <= MAX_WORDS and _fit(column.unique())


class Words:
    """The texts of each column so far: those of a batch are mostly those of the one before."""

    def __init__(self) -> None:
        self._known: dict[str, pl.Enum | None] = {}

    def numbers(self, column: pl.Series) -> tuple[list[str], pl.Series] | None:
        """Give the texts and, for each row, which of them it has (null: null). None when they are too many."""
        known = self._known.get(column.name, pl.Enum([]))
        if known is None:
            return None
        found = column.cast(known, strict=False)
        if found.null_count() != column.null_count():
            known = self._known[column.name] = _learnt(known, column)
            if known is None:  # not asked again as long as this layout lasts
                return None
            found = column.cast(known)
        return known.categories.to_list(), found.to_physical()


def _learnt(known: pl.Enum, column: pl.Series) -> pl.Enum | None:
    now = column.unique(maintain_order=True).drop_nulls()
    both = pl.concat([known.categories.alias(column.name), now]).unique(maintain_order=True)
    return next((pl.Enum(words) for words in (both, now) if len(words) <= MAX_WORDS and _fit(words)), None)


def _fit(words: pl.Series) -> bool:
    return int(words.str.len_bytes().sum()) <= _MAX_WORDS_BYTES


def chosen(words: list[str], numbers: pl.Series) -> pl.Series:
    """Give the texts back."""
    return pl.Series(words, dtype=pl.String).gather(numbers)


def beginnings(column: pl.Series, other: pl.Series) -> pl.Series | None:
    """Give how many bytes of the other's text each text is, which begins with it. None when one does not."""
    both = pl.DataFrame([column.alias("one"), other.alias("other")])
    begins = both.select(pl.col("other").str.starts_with(pl.col("one"))).to_series()
    # Null where either is: that may only be the column.
    if not begins.all() or begins.null_count() != column.null_count():
        return None
    lengths = column.str.len_bytes()
    longest = lengths.max()
    return lengths.cast(narrowest(longest if isinstance(longest, int) else 0), wrap_numerical=True)


def began(lengths: pl.Series, other: pl.Series) -> pl.Series:
    """Give the texts back."""
    both = pl.DataFrame([lengths.alias("length"), other.alias("other")])
    return both.select(pl.col("other").cast(pl.Binary).bin.head(pl.col("length")).cast(pl.String)).to_series()
