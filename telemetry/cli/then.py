"""The clock of a replay: rules are asked about a batch as if it were then that it came."""

import threading
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from telemetry.batch import Batch
from telemetry.rules import Select, Selected

__all__ = ["Then"]

_Key: TypeAlias = tuple[str, str, int, int]


class Then:
    """When the batch was appended whose rows are being chosen; never goes back. For any number of threads."""

    def __init__(self) -> None:
        self._now_ns = 0
        self._appended_ns: dict[_Key, int] = {}
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Give nanoseconds since 1970."""
        return self._now_ns

    def remembered(self, history: Iterable[tuple[int, int, Batch]]) -> Iterator[Batch]:
        """Give a history's batches, keeping in mind when each was appended until its rows are chosen."""
        for _, appended_ns, batch in history:
            self._appended_ns[_key(batch)] = appended_ns
            yield batch

    def choosing(self, select: Select) -> Select:
        """Give the choice at its time. One batch after the other, so that each finds the clock where it belongs."""

        def choose(batch: Batch) -> Selected:
            with self._lock:
                self._now_ns = max(self._now_ns, self._appended_ns.pop(_key(batch), 0))
                return select(batch)

        return choose


def _key(batch: Batch) -> _Key:
    return batch.template, batch.receiver, batch.epoch, batch.sequence
