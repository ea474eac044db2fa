"""A history backwards: its newest batches first, of which only a window of time is held at once."""

from collections import deque
from collections.abc import Iterator

from telemetry.batch import Batch, Template
from telemetry.journal.history import History

__all__ = ["newest"]

_FIRST_NS = 10**9
_FEW, _MANY = 20_000, 100_000


def newest(
    history: History, from_ns: int, to_ns: int, template: Template, *, max_rows: int
) -> Iterator[tuple[int, Batch]]:
    """Give time of append and batch of what was appended in [from, to), newest first.

    For one who looks at no more than `max_rows`: he is given at least so many, or all there are. Raises StartError.
    """
    width_ns = _FIRST_NS
    while to_ns > from_ns:
        begin_ns = max(from_ns, to_ns - width_ns)
        held: deque[tuple[int, Batch]] = deque()
        rows = 0
        for _, appended_ns, batch in history.batches(begin_ns, to_ns, {template}):
            held.append((appended_ns, batch))
            rows += len(batch.rows)
            while rows - len(held[0][1].rows) > max_rows:
                rows -= len(held.popleft()[1].rows)
        yield from reversed(held)
        to_ns = begin_ns
        # Each look at the file passes over all its records: few looks where little came, small ones where much did.
        width_ns = width_ns * 2 if rows < _FEW else max(1, width_ns // 2) if rows > _MANY else width_ns
