"""The objects of one kind, as last heard of; each change is told."""

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from telemetry.kubernetes.records import Key

__all__ = ["Kept", "Store"]


class Keyed(Protocol):
    """What a store can keep."""

    @property
    def key(self) -> Key:
        """Which object it is of."""


Kept = TypeVar("Kept", bound=Keyed)


class Store(Generic[Kept]):
    """Records by key; `changed` is told the record before and after, None where there is none. At most `limit`."""

    def __init__(self, changed: Callable[[Kept | None, Kept | None], None], limit: int) -> None:
        self._changed = changed
        self._limit = limit
        self._records: dict[Key, Kept] = {}
        self.refused_total = 0

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: Key) -> Kept | None:
        """Give what is known of an object."""
        return self._records.get(key)

    def put(self, record: Kept) -> None:
        """Remember an object's new state; a new one beyond the limit is counted and not taken."""
        before = self._records.get(record.key)
        if before is None and len(self._records) >= self._limit:
            self.refused_total += 1
        elif before != record:
            self._records[record.key] = record
            self._changed(before, record)

    def remove(self, key: Key) -> None:
        """Forget an object."""
        if before := self._records.pop(key, None):
            self._changed(before, None)

    def replace(self, namespace: str | None, records: Iterable[Kept]) -> None:
        """Take a whole list of a namespace, or of all when None: what isn't in it has gone, what stayed, stays."""
        listed = {record.key: record for record in records}
        scope = [key for key in self._records if namespace is None or key[0] == namespace]
        for key in scope:
            if key not in listed:
                self.remove(key)
        for record in listed.values():
            self.put(record)
