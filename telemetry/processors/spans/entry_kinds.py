"""What few kinds of entries share, worked out once for each: their spans' name, kind and status."""

import numpy as np
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.opentelemetry.conventions import KIND, NAME, STATUS
from telemetry.processors.hops.hashes import Hashes, combined, distinct, texts

__all__ = ["Kinds"]

_SCHEMA = SCHEMAS[Template.TRACESPAN]
_SHARED = [
    NAME.alias("span.name"),
    KIND.alias("span.kind"),
    STATUS.alias("span.status"),
    (STATUS == "error").fill_null(value=False).alias("failed"),
]
# What these look at: rows that agree in it have one name, kind and status.
_READ = sorted({root for expression in _SHARED for root in expression.meta.root_names()})
_METHOD_OF_GRPC = "request.url_path"
_COLUMNS = {name: _SCHEMA[name] for name in ("span.name", "span.kind", "span.status")} | {"failed": pl.Boolean}


class Kinds:
    """Remembers what was worked out. `seed`: hashes what clients write; at `limit` kinds it begins anew."""

    def __init__(self, seed: int, limit: int = 16_384) -> None:
        self._seed = seed
        self._limit = limit
        self._places: dict[int, int] = {}
        self._table = pl.DataFrame(schema=_COLUMNS)

    def __len__(self) -> int:
        return len(self._places)

    def of(self, entries: pl.DataFrame) -> pl.DataFrame:
        """Give span.name, span.kind, span.status and failed (whether that is error), a row for each entry."""
        if len(self) > self._limit:
            self._places, self._table = {}, self._table.clear()
        hashes = combined(*self._hashed(entries))
        first, number = distinct(hashes)
        keys = hashes[first].tolist()
        if unseen := [at for at, key in enumerate(keys) if key not in self._places]:
            self._places.update((keys[at], len(self._table) + place) for place, at in enumerate(unseen))
            shown = entries[_READ].select_seq(pl.all().gather(pl.Series(first[unseen])))
            # Copied: parts of the entries' memory would keep all of it.
            made = pl.DataFrame(shown.select_seq(_SHARED).to_dict(as_series=False), _COLUMNS)
            self._table = self._table.vstack(made).rechunk()
        places = pl.Series([self._places[key] for key in keys], dtype=pl.UInt32)
        return self._table.select_seq(pl.all().gather(places.gather(pl.Series(number))))

    def _hashed(self, entries: pl.DataFrame) -> list[Hashes]:
        is_grpc = entries["context.protocol"] == "grpc"
        present = [name for name in _READ if entries[name].null_count() < len(entries)]
        if not is_grpc.any() and _METHOD_OF_GRPC in present:
            present.remove(_METHOD_OF_GRPC)
        hashes = texts(entries, present, self._seed)
        if _METHOD_OF_GRPC in hashes:
            # Elsewhere the path is no part of the name, and there are many.
            hashes[_METHOD_OF_GRPC] = hashes[_METHOD_OF_GRPC] * is_grpc.fill_null(value=False).to_numpy()
        nothing = np.zeros(len(entries), np.uint64)
        return [hashes.get(name, nothing) for name in _READ]
