"""Questions to the kept edges: sums over a window, step by step or in one."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from telemetry.edges.file import EdgeFile
from telemetry.edges.index import OTHER_ID, Index
from telemetry.edges.parts import KEYS, PART_SCHEMAS, decoded, merged
from telemetry.edges.window import SPANS_S, Segment, Window, cover

__all__ = ["Reader"]

_CACHE_BYTES = 64 << 20


@dataclass(slots=True)
class _Cached:
    upto: int
    frame: pl.DataFrame
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.size_bytes = int(self.frame.estimated_size())


class Reader:
    """Reads the file, for the store's thread. Segments once read are remembered, within 64 MiB.

    `now_s`: when the question was asked. A window ends there, whatever was asked for.
    """

    def __init__(self, file: EdgeFile, index: Index) -> None:
        self._file = file
        self._index = index
        self._cache: OrderedDict[tuple[Segment, str], _Cached] = OrderedDict()
        self._cached_bytes = 0

    def edges(self) -> pl.DataFrame:
        """Give all edges known: Index.frame."""
        return self._index.frame()

    def principals(self) -> pl.DataFrame:
        """Give the principals of all edges: Index.principals."""
        return self._index.principals()

    def kept_since_s(self) -> dict[int, int]:
        """Give by span from when on its segments are kept; 0 where longer ones reach no further back.

        Retention cuts at whole hours, so a segment is there whole or not at all.
        """
        oldest = {span: self._file.oldest(span) for span in SPANS_S}
        kept = {SPANS_S[-1]: 0}
        for span, longer in zip(SPANS_S[-2::-1], SPANS_S[:0:-1], strict=True):
            ours, theirs = oldest[span], oldest[longer]
            if theirs is None:
                kept[span] = 0
            elif ours is None:
                kept[span] = theirs + longer
            else:
                kept[span] = kept[longer] if theirs >= ours // longer * longer else ours
        return kept

    def aligned(self, window: Window) -> Window:
        """Widen a window to whole segments of what is kept."""
        return window.aligned(self.kept_since_s())

    def summed(self, part: str, window: Window, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Add a part up over an aligned window: KEYS[part] and its sums (or these `columns` of them).

        Edges that are no longer known are edge 0, {other}.
        """
        frames = [self._segment(one, part) for one in cover(window, self.kept_since_s())]
        shown = [frame.select(*KEYS[part], *columns) if columns else frame for frame in frames if len(frame)]
        if not shown:
            return self._empty(part, columns)
        return self.attributed(part, merged(part, shown))

    def steps(
        self, part: str, window: Window, step_s: int, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield the start of each step (a multiple of 60 s) of an aligned window, and the part summed over it."""
        start = int(window.start_s)
        while start < window.end_s:
            end = min(start - start % step_s + step_s, window.end_s)
            yield start, self.summed(part, Window(start, end), columns)
            start = int(end)

    def attributed(self, part: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Add up under {other} what belongs to edges that are no longer known."""
        if "edge" not in KEYS[part]:
            return frame
        unknown = ~frame["edge"].is_in(self._index.frame()["edge"].implode())
        if not unknown.any():
            return frame
        other = pl.lit(OTHER_ID, pl.UInt64)
        return merged(part, [frame.with_columns(edge=pl.when(unknown).then(other).otherwise("edge"))])

    def _empty(self, part: str, columns: Sequence[str] | None) -> pl.DataFrame:
        empty = pl.DataFrame(schema=PART_SCHEMAS[part])
        return empty.select(*KEYS[part], *columns) if columns else empty

    def _segment(self, segment: Segment, part: str) -> pl.DataFrame:
        return self.whole(segment, part)[1]

    def whole(self, segment: Segment, part: str) -> tuple[int, pl.DataFrame]:
        """Give a segment's part in one, and the number of its last piece; 0 when it has none."""
        key = segment, part
        cached = self._cache.get(key)
        pieces = self._file.pieces(segment, part, cached.upto if cached else 0)
        if not pieces:
            if cached is None:
                return 0, pl.DataFrame(schema=PART_SCHEMAS[part])
            self._cache.move_to_end(key)
            return cached.upto, cached.frame
        frames = [*([cached.frame] if cached else []), *(decoded(body) for _, body in pieces)]
        new = _Cached(pieces[-1][0], frames[0] if len(frames) == 1 else merged(part, frames))
        self._remember(key, new)
        return new.upto, new.frame

    def _remember(self, key: tuple[Segment, str], new: _Cached) -> None:
        old = self._cache.pop(key, None)
        self._cached_bytes += new.size_bytes - (old.size_bytes if old else 0)
        self._cache[key] = new
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= dropped.size_bytes
