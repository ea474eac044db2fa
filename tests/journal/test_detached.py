"""A cursor that ended before a crash does not come back, and costs the others nothing."""

import shutil

from tests.journal.journals import METRIC, everything, journal
from tests.rows import metrics


async def test_a_crash_after_a_handler_was_removed_brings_it_not_back_and_invents_no_loss_for_the_others(path):
    # The tally is written at the start and at the end only: as if all happened within a second.
    copy = path.parent / "as-it-was" / path.name
    async with journal(path, flush_s=60) as one:
        after = one.attach("keep", METRIC)
        one.attach("gone", METRIC)
        for at in range(10):
            await one.append([metrics(at, sequence=at)])
        await one._disk.tell(one._tally())
        await everything(one, "keep", after)
        await one.commit("keep", 10)
        one.detach("gone")
        await one.append([metrics(10, sequence=10)])
        shutil.copytree(path.parent, copy.parent, ignore=lambda _, names: [name for name in names if "lock" in name])
    async with journal(copy) as one:
        assert one.cursors == {"keep"}
        after = one.attach("keep", METRIC)
        assert (one.offered_rows("keep"), one.pending_rows("keep"), one.lost_rows("keep")) == (1, 1, 0)


async def test_a_tally_that_is_older_than_the_file_says_nothing_of_cursors_that_the_file_knows(path):
    async with journal(path, flush_s=60) as one:
        one.attach("keep", METRIC)
        one.attach("lost", METRIC)
        await one.append([metrics(1, 2, sequence=1)])
        await one._disk.tell(one._tally())
        old = path.with_name("journal.db.tally").read_bytes()
        await one.commit("keep", 1)
        one.detach("lost")
    path.with_name("journal.db.tally").write_bytes(old)
    async with journal(path) as one:
        assert one.cursors == {"keep", "lost"}
        one.attach("keep", METRIC)
        assert (one.offered_rows("keep"), one.lost_rows("keep")) == (0, 0)
