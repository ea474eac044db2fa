"""History: what the journal still has, by time, for whoever reads beside the service."""

import pytest

from telemetry.batch import Template
from telemetry.errors import StartError
from telemetry.journal.history import History
from tests.journal.journals import METRIC, SECOND_NS, journal
from tests.rows import logentries, metrics


async def test_history_is_read_by_time_and_template_while_the_service_writes(path):
    clock = [10 * SECOND_NS]
    async with journal(path, retention_s=1000, clock_ns=lambda: clock[0]) as one:
        one.attach("a", {Template.METRIC, Template.LOGENTRY})
        for at in range(5):
            await one.append([metrics(at, sequence=at), logentries({}, sequence=at)])
            clock[0] += SECOND_NS
        history = History(path)
        found = list(history.batches(11 * SECOND_NS, 13 * SECOND_NS, METRIC))
        assert [(ns // SECOND_NS, batch.sequence) for _, ns, batch in found] == [(11, 1), (12, 2)]
        walking = history.batches()
        next(walking)
        await one.append([metrics(99, sequence=99)])
        assert [batch.sequence for _, _, batch in walking][-1] == 99
    assert len(list(History(path).batches())) == 11, "and of a file that nobody has open"


def test_a_history_that_is_not_there_or_not_a_journal_is_said_so(tmp_path):
    with pytest.raises(StartError, match="there is no journal"):
        next(History(tmp_path / "none").batches())
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(StartError, match="can't be read as a journal"):
        next(History(tmp_path / "text").batches())
