"""What became of a request, as few kinds of entries say it: a number for each kind, across batches."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.batch import SCHEMAS, Template
from telemetry.processors.hops.addresses import numbers
from telemetry.processors.hops.reading import Reading
from telemetry.processors.hops.register import Register, Slots

__all__ = ["ANSWER", "Answers"]

_ENTRY = SCHEMAS[Template.LOGENTRY]
ANSWER = {
    name: _ENTRY[name]
    for name in (
        "request.operation", "request.attempts", "response.code", "response.grpc_status", "response.flags",
        "context.proxy_error_code", "response.outcome", "response.blame", "latency.excluded", "connection.event",
        "connection.opened",
    )
}  # fmt: skip
"""The columns of HOP, and of LOGENTRY, that entries of one answer share."""

_GOING = ("open", "continue")


class Answers:
    """Numbers for distinct answers. `limit`: `full` says that it is reached."""

    def __init__(self, seed: int, limit: int = 65_536) -> None:
        self._limit = limit
        self._register = Register(ANSWER, seed)

    @property
    def full(self) -> bool:
        """Whether it is time to settle all that has a number, and to clear."""
        return len(self._register) >= self._limit

    def clear(self) -> None:
        """Forget all."""
        self._register.clear()

    def numbers(self, reading: Reading) -> Slots:
        """Give the number of each row's answer."""
        return self._register.numbers(reading.kinds)[reading.kind]

    def attempts(self, answers: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Give how many attempts each had; 0 where nobody tells."""
        attempts: npt.NDArray[np.int64] = numbers(self._register.table["request.attempts"]).astype(np.int64)[answers]
        return attempts

    def going_on(self, answers: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Tell which are reports of connections that go on."""
        events = self._register.table["connection.event"]
        if events.null_count() == len(events):
            return np.zeros(len(answers), np.bool_)
        going: npt.NDArray[np.bool_] = events.is_in(_GOING).fill_null(value=False).to_numpy()[answers]
        return going

    def shown(self, answers: pl.Series, names: Collection[str]) -> pl.DataFrame:
        """Give these columns of ANSWER, by row."""
        return self._register.table[list(names)][answers]
