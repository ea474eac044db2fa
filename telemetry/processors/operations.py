"""Operations: each request gets the name of what it asks for, from a bounded set (docs/operations.md)."""

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import Batch, Template
from telemetry.operations.deciding import Deciding
from telemetry.operations.memo import Hashes, Memo, Numbers
from telemetry.operations.names import NONE
from telemetry.operations.services import Documents
from telemetry.operations.settings import OperationsSettings

__all__ = ["Operations"]

_READS = ("context.protocol", "destination.service.host", "request.method", "request.url_path")
_BITS = 16


class Operations:
    """Fills request.operation (String) in LOGENTRY rows; null for TCP. Other batches pass unchanged.

    `documents`: gives a service's OpenAPI document by its host; asked once for each, and again after `reload`.
    The same batches in the same order always get the same operations, whatever `seed`, which keeps strangers from
    aiming for collisions of our hashes.
    """

    reads: Collection[str] = _READS
    keeps_context = True

    def __init__(self, settings: OperationsSettings, documents: Documents = lambda _: None, *, seed: int = 0) -> None:
        self._deciding = Deciding(settings, documents, seed)
        self._memo = Memo(_BITS)
        self._seed = seed

    @property
    def services(self) -> int:
        """How many services are told apart."""
        return len(self._deciding.services) - 1

    @property
    def names(self) -> int:
        """How many operations have been named so far, those of all services and rules."""
        return len(self._deciding.names)

    @property
    def collapsed_total(self) -> int:
        """How often words in paths turned out to be values."""
        return self._deciding.templates.collapsed_total

    def reload(self) -> None:
        """Ask for all documents again: they have changed."""
        self._deciding.reload()
        self._forget()

    def process(self, batch: Batch) -> Iterable[Batch]:
        """Give the batch with its operations."""
        if batch.template is not Template.LOGENTRY or batch.rows.is_empty():
            return (batch,)
        return (replace(batch, rows=batch.rows.with_columns(self._operations(batch.rows.select(_READS)))),)

    def flush(self, now_ns: int) -> Iterable[Batch]:
        """Nothing is held back."""
        return ()

    def _operations(self, rows: pl.DataFrame) -> pl.Series:
        hashes = rows.select(pl.struct(_READS).hash(self._seed)).to_series().to_numpy()
        while (numbers := self._numbers(rows, hashes)) is None:
            # A template has changed: what was found before it, for rows of this batch too, may be of the old one.
            self._forget()
        return self._deciding.names.series().gather(numbers).alias("request.operation")

    def _numbers(self, rows: pl.DataFrame, hashes: Hashes) -> Numbers | None:
        numbers, known = self._memo.get(hashes)
        left = np.flatnonzero(~known)
        if left.size:
            found = self._found(_some(rows, left))
            if found is None:
                return None
            numbers[left] = found
            self._memo.put(hashes[left], found)
        return numbers

    def _found(self, rows: pl.DataFrame) -> Numbers | None:
        numbers = np.full(len(rows), NONE, np.uint32)
        requests = np.flatnonzero((rows["context.protocol"] != "tcp").fill_null(value=True).to_numpy())
        if requests.size:
            found = self._deciding.numbers(_some(rows, requests))
            if found is None:
                return None
            numbers[requests] = found
        return numbers

    def _forget(self) -> None:
        self._memo.clear()
        self._deciding.forget()


def _some(rows: pl.DataFrame, at: npt.NDArray[np.int64]) -> pl.DataFrame:
    return rows if len(at) == len(rows) else rows.select(pl.all().gather(at))
