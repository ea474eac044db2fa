"""What few kinds of entries share, worked out once for each: their spans' name, kind and status."""

import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.opentelemetry.conventions import KIND, NAME, STATUS

__all__ = ["Kinds"]

_SCHEMA = SCHEMAS[Template.TRACESPAN]
_SHARED = [
    # Written anew: parts of the entries' texts would keep all of their memory.
    (NAME + "").alias("span.name"),
    KIND.alias("span.kind"),
    STATUS.alias("span.status"),
    (STATUS == "error").fill_null(value=False).alias("failed"),
    (pl.col("request.attempts") > 1).fill_null(value=False).alias("retried"),
]
_READ = sorted({root for expression in _SHARED for root in expression.meta.root_names()})
_COLUMNS = {name: _SCHEMA[name] for name in ("span.name", "span.kind", "span.status")} | {
    "failed": pl.Boolean,
    "retried": pl.Boolean,
}


class Kinds:
    """Remembers what was worked out. `seed`: hashes what clients write; at `limit` kinds it begins anew."""

    def __init__(self, seed: int, limit: int = 16_384) -> None:
        self._limit = limit
        self._seed = seed
        self._places: dict[int, int] = {}
        self._table = pl.DataFrame(schema=_COLUMNS)

    def __len__(self) -> int:
        return len(self._places)

    def of(self, kinds: pl.DataFrame) -> pl.DataFrame:
        """Give span.name, .kind, .status, failed (the status is error) and retried, by row of a Reading's kinds."""
        if len(self) > self._limit:
            self._places, self._table = {}, self._table.clear()
        keys = kinds[_READ].hash_rows(self._seed).to_list()
        if unseen := [at for at, key in enumerate(keys) if key not in self._places]:
            self._table = self._table.vstack(self._worked_out(kinds[unseen], [keys[at] for at in unseen])).rechunk()
        return self._table[pl.Series([self._places[key] for key in keys], dtype=pl.UInt32)]

    def _worked_out(self, kinds: pl.DataFrame, keys: list[int]) -> pl.DataFrame:
        self._places.update((key, len(self._table) + place) for place, key in enumerate(keys))
        return kinds.select_seq(_SHARED)
