"""The totals of one handler, and which of their series are due to be written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from telemetry.batch import Batch
from telemetry.remote_write.options import Options
from telemetry.remote_write.series import Series, SeriesOf
from telemetry.series.totals import Totals

__all__ = ["Due", "Shelf"]

_MS = 1_000_000
_MARKERS = 100_000


@dataclass(frozen=True, slots=True)
class Due:
    """Series to write, all with one time; `as_of_ns`: what has changed since is not in them."""

    series: list[Series]
    time_ms: int
    as_of_ns: int
    markers: int


class Shelf:
    """Adds batches up and gives what is due. Not for several threads at once.

    `clock_ns` never goes back; `wall_ns` is the time since 1970 that samples get. No two writes have the same.
    """

    def __init__(self, options: Options, clock_ns: Callable[[], int], wall_ns: Callable[[], int]) -> None:
        self._totals = Totals(options.max_series, int(options.expire_after_s * 1e9))
        self._series_of = SeriesOf(dict(options.labels), explicit_as_native=options.native_histograms)
        self._explicit_as_native = options.native_histograms
        self._clock_ns = clock_ns
        self._wall_ns = wall_ns
        self._written_ms = 0
        self._markers: list[Series] = []
        self.expired = 0

    @property
    def overflow_points(self) -> int:
        """Points that were folded for lack of room."""
        return sum(self._totals.families.stats().overflow_points.values()) + self._totals.native.overflow_points

    def add(self, batch: Batch) -> None:
        """Add a METRIC batch, once however often it comes. Raises Rejected as Totals.add does."""
        name = (batch.receiver, batch.epoch, batch.sequence)
        birth = batch.rows["start"].to_physical().min()
        start_ns = birth if isinstance(birth, int) else 0
        self._totals.add(batch.rows, name, batch.row_numbers, now_ns=self._clock_ns(), birth=start_ns)

    def due(self, since_ns: int, *, newest: bool) -> Due:
        """Give the series that have changed at or after that time, and markers; `newest`: for protocol 2.0."""
        now_ns = self._clock_ns()
        self._expire(now_ns, native=newest and self._explicit_as_native)
        time_ms = max(self._wall_ns() // _MS, self._written_ms + 1)
        self._written_ms = time_ms
        changed = list(self._changed(since_ns, newest=newest))
        if self._markers:
            # One that has come back has its value: no series has two samples of one time.
            alive = {one.labels for one in changed}
            self._markers = [one for one in self._markers if one.labels not in alive]
        return Due([*changed, *self._markers], time_ms, now_ns, len(self._markers))

    def written(self, due: Due) -> None:
        """Note that the back end has these, or never will."""
        del self._markers[: due.markers]

    def _changed(self, since_ns: int, *, newest: bool) -> Iterator[Series]:
        for family in self._totals.families.all():
            rows = family.changed(since_ns)
            labels = self._totals.families.labels.texts(rows["set"])
            yield from self._series_of.family(family, rows, labels, native=newest)
        for one in self._totals.native:
            if one.last_ns >= since_ns:
                yield self._series_of.native(one)

    def _expire(self, now_ns: int, *, native: bool) -> None:
        """Make markers of what has expired. Too many would be worse than a series that lingers five minutes."""
        for gone in self._totals.expire(now_ns):
            self.expired += len(gone.labels)
            for text in gone.labels:
                if len(self._markers) < _MARKERS:
                    markers = self._series_of.stale(
                        gone.metric, gone.kind, gone.bounds, text, native=native or gone.native
                    )
                    self._markers += markers
