"""A store tells what changed, and only that."""

from telemetry.kubernetes.records import ServiceRecord
from telemetry.kubernetes.store import Store

A = ServiceRecord(("shop", "a"), ("10.0.0.1",))
A2 = ServiceRecord(("shop", "a"), ("10.0.0.2",))
B = ServiceRecord(("shop", "b"), ())
ELSEWHERE = ServiceRecord(("bank", "a"), ())


class Told:
    def __init__(self, limit: int = 10) -> None:
        self.changes: list[tuple[ServiceRecord | None, ServiceRecord | None]] = []
        self.store: Store[ServiceRecord] = Store(lambda before, after: self.changes.append((before, after)), limit)


def test_a_new_list_touches_only_what_differs() -> None:
    told = Told()
    told.store.replace(None, [A, B])
    told.changes.clear()
    told.store.replace(None, [A2, B])
    assert told.changes == [(A, A2)]
    told.store.replace(None, [A2])
    assert told.changes[1:] == [(B, None)]


def test_a_list_of_one_namespace_says_nothing_of_the_others() -> None:
    told = Told()
    told.store.put(ELSEWHERE)
    told.store.replace("shop", [A])
    told.store.replace("shop", [])
    assert told.store.get(("bank", "a")) == ELSEWHERE
    assert len(told.store) == 1


def test_what_is_heard_twice_or_removed_twice_is_told_once() -> None:
    told = Told()
    for _ in range(2):
        told.store.put(A)
    for _ in range(2):
        told.store.remove(A.key)
    assert told.changes == [(None, A), (A, None)]


def test_beyond_the_limit_nothing_new_is_taken_but_the_known_stays_true() -> None:
    told = Told(limit=1)
    told.store.put(A)
    told.store.put(B)
    told.store.put(A2)
    assert told.store.refused_total == 1
    assert told.store.get(A.key) == A2
    told.store.replace(None, [B])
    assert told.store.get(B.key) == B
