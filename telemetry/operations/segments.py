"""Paths cut into segments, many paths at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.operations.memo import Hashes
from telemetry.operations.shapes import KEYS, PLACEHOLDERS, WORD, Kinds, kinds

__all__ = ["MAX_SEGMENTS", "Segments", "clean", "cut", "mix", "mix_one"]

MAX_SEGMENTS = 16
"""What comes after so many segments is one value."""

_MAX_CHARACTERS = 2048
_MULTIPLIER = 0xD6E8FEB86659FD93
_SHIFT = 32


def mix(prefix: Hashes, key: Hashes) -> Hashes:
    """Hash one segment further; `prefix` and `key` may be arrays."""
    product = (prefix ^ key) * np.uint64(_MULTIPLIER)
    return product ^ (product >> np.uint64(_SHIFT))


def mix_one(prefix: int, key: int) -> int:
    """Do the same with plain numbers."""
    product = (prefix ^ key) * _MULTIPLIER % 2**64
    return product ^ (product >> _SHIFT)


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of all paths, one after the other; path n has `counts[n]` of them from `starts[n]` on.

    `keys`: hash of the text for words, of the kind for values. Empty segments are left out.
    """

    texts: pl.Series
    kinds: Kinds
    keys: Hashes
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, rows: npt.NDArray[np.int64]) -> "Segments":
        """Give those paths only."""
        return Segments(self.texts, self.kinds, self.keys, self.starts[rows], self.counts[rows])

    def raw(self, row: int) -> list[str]:
        """Give one path's segments as they came."""
        start = self.starts[row]
        return self.texts.slice(start, self.counts[row]).to_list()

    def shown(self, row: int) -> tuple[list[str], list[int]]:
        """Give one path's segments, values as their placeholders; and their keys."""
        here = slice(self.starts[row], self.starts[row] + self.counts[row])
        shapes = self.kinds[here].tolist()
        texts = [PLACEHOLDERS[kind] or text for kind, text in zip(shapes, self.raw(row), strict=True)]
        return texts, self.keys[here].tolist()

    def unread(self, seed: int) -> "Segments":
        """Give the same with values taken for words."""
        return replace(self, kinds=np.zeros_like(self.kinds), keys=self.texts.hash(seed).to_numpy())

    def walk(
        self, roots: Hashes, step: Callable[[Hashes, Hashes, npt.NDArray[np.bool_]], Hashes] | None = None
    ) -> Hashes:
        """Hash every path, from its root on, segment by segment.

        `step(prefixes, keys, words)` may give other keys for the segments that follow these prefixes.
        """
        hashes = roots.copy()
        for depth in range(int(self.counts.max(initial=0))):
            rows = np.flatnonzero(self.counts > depth)
            at = self.starts[rows] + depth
            keys, prefixes = self.keys[at], hashes[rows]
            if step is not None:
                keys = step(prefixes, keys, self.kinds[at] == WORD)
            hashes[rows] = mix(prefixes, keys)
        return hashes


def clean(paths: pl.Series) -> pl.Series:
    """Cut off what names no resource: fragments, matrix parameters, scheme and host; and the end of the endless."""
    paths = paths.fill_null("")
    if (paths.str.len_bytes() > _MAX_CHARACTERS).any():
        paths = paths.str.head(_MAX_CHARACTERS)
    if not paths.str.starts_with("/").all():
        paths = paths.str.replace(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "")
    if paths.str.contains("[?#;]").any():
        paths = paths.str.replace_all(r"(?s)[?#].*|;[^/?#]*", "")
    return paths


def cut(paths: pl.Series, seed: int) -> Segments:
    """Cut clean paths (no nulls) into segments and tell their kinds."""
    lists = paths.str.split("/")
    # The first is what stands before the first slash: empty.
    if (lists.list.len() > MAX_SEGMENTS + 1).any():
        short = pl.col("path").list.head(MAX_SEGMENTS + 1)
        ended = pl.when(pl.col("path").list.len() > MAX_SEGMENTS + 1).then(short.list.concat(pl.lit(["{rest}"])))
        lists = lists.alias("path").to_frame().select(ended.otherwise("path")).to_series()
    ends = lists.list.len().to_numpy().astype(np.int64).cumsum()
    texts = lists.explode(empty_as_null=False)
    filled = texts != ""
    before = np.concatenate([np.zeros(1, np.int64), filled.to_numpy().cumsum(dtype=np.int64)])
    bounds = before[np.concatenate([np.zeros(1, np.int64), ends])]
    texts = texts.filter(filled)
    shapes = kinds(texts)
    keys = np.where(shapes == WORD, texts.hash(seed).to_numpy(), KEYS[shapes])
    return Segments(texts, shapes, keys, bounds[:-1], np.diff(bounds))
