"""Killed at any moment: what was appended is there, whole, and nothing else."""

import random
import signal

from tests.journal.appending import batch_of, child
from tests.journal.batches import assert_equal
from tests.journal.journals import METRIC, everything, journal


async def test_whatever_moment_it_is_killed_at_what_was_appended_is_there_and_nothing_else(path):
    chance, in_the_middle, begin = random.Random(4711), 0, 0
    for _ in range(6):
        killed = await child(path, begin=begin, kill_after=chance.randint(1, 25), wait_s=chance.random() * 0.004)
        assert killed.returncode == -signal.SIGKILL
        kept = max((int(line[1]) for line in killed.lines if line[0] == b"kept"), default=begin - 1)
        begun = [int(line[1]) + int(line[2]) - 1 for line in killed.lines if line[0] == b"append"][-1]
        in_the_middle += begun > kept
        async with journal(path) as one:
            after = one.attach("a", METRIC)
            found = await everything(one, "a", after)
            sequences = [batch.sequence for batch in found]
            assert sequences == list(range(begin, begin + len(sequences)))
            assert kept <= begin + len(sequences) - 1 <= begun
            assert len(sequences) in (kept + 1 - begin, begun + 1 - begin), "an append is there whole or not at all"
            for batch in found:
                assert_equal(batch, batch_of(batch.sequence))
            await one.commit("a", one._end)
        begin += len(sequences)
    assert in_the_middle >= 2, "too few kills hit an append: this run has shown nothing"
