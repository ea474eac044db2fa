"""A history read backwards, for who looks at no more than so many rows."""

from collections.abc import Collection, Iterator
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from telemetry.batch import Batch, Template
from telemetry.cli.newest import newest
from telemetry.journal.history import History
from tests.rows import NOW_NS, SECOND_NS, logentries

BATCHES = {size: logentries(*[{}] * size) for size in range(1, 5)}


class Kept:
    """A history with batches of these sizes, appended at these seconds before now."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.appended = sorted((NOW_NS - ago * SECOND_NS, BATCHES[size]) for ago, size in sizes.items())

    def batches(self, from_ns: int, to_ns: int, templates: Collection[Template]) -> Iterator[tuple[int, int, Batch]]:
        assert templates == {Template.LOGENTRY}
        for offset, (appended_ns, batch) in enumerate(self.appended):
            if from_ns <= appended_ns < to_ns:
                yield offset, appended_ns, batch


@given(
    sizes=st.dictionaries(st.integers(1, 5000), st.integers(1, 4)), ago=st.integers(0, 6000), max_rows=st.integers(1, 9)
)
def test_it_is_the_newest_without_gaps_as_far_as_anybody_looks(sizes: dict[int, int], ago: int, max_rows: int) -> None:
    kept, from_ns = Kept(sizes), NOW_NS - ago * SECOND_NS
    expected = [at for at, _ in reversed(kept.appended) if at >= from_ns]
    looked_at, rows = [], 0
    for appended_ns, batch in newest(cast("History", kept), from_ns, NOW_NS, Template.LOGENTRY, max_rows=max_rows):
        looked_at.append(appended_ns)
        rows += len(batch.rows)
        if rows > max_rows:
            break
    assert looked_at == expected[: len(looked_at)]
    assert rows > max_rows or len(looked_at) == len(expected)
