"""What real Envoys reported goes through the durable journal, is refused in part, and reaches the sink by a replay."""

from collections.abc import Sequence

import pytest

from telemetry import native
from telemetry.batch import Batch, Template, fault_of
from telemetry.columns import split
from telemetry.config import Settings
from telemetry.dead_letters import DeadLetters, read
from telemetry.errors import Partial, Retry
from telemetry.journal.history import History
from telemetry.journal.sqlite import SqliteJournal
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.resolve import Resolver
from telemetry.plugin import Limits
from telemetry.processors.contexts import Contexts, peer_columns
from telemetry.processors.normalise import Normalise
from telemetry.replay import Replay
from telemetry.selfmetrics import SelfMetrics
from tests.captures.recording import Message, stored
from tests.captures.styles import FOLDER, STYLES
from tests.captures.test_captures import nodes_of
from tests.delivery.sinks import Sink, delivery, rows_of, run_until_delivered
from tests.rows import NOW_NS


class Entries(Sink):
    accepts = frozenset({Template.LOGENTRY})


def entries(messages: Sequence[Message]) -> Batch:
    """The entries that these messages hold, normalised."""
    logs = Settings().receiver.access_logs
    by_stream = nodes_of(messages)
    numbers = {stream: number for number, stream in enumerate(by_stream)}
    decoded = native.decode_access_logs(
        [message for _, message in messages],
        [numbers[stream] for stream, _ in messages],
        request_headers=logs.request_headers,
        response_headers=logs.response_headers,
        response_trailers=logs.response_trailers,
        filter_state=logs.filter_state,
    )
    addresses = Addresses()
    contexts = Contexts(Resolver(addresses, "Kubernetes"), addresses, seed=1, peers=peer_columns(logs.filter_state))
    rows = Normalise(contexts).rows(split(decoded.rows), list(by_stream.values()), NOW_NS)
    return Batch(Template.LOGENTRY, rows, "test", 1, 1)


@pytest.mark.parametrize("style", STYLES)
async def test_every_entry_arrives_once_whatever_the_sink_said_before(style, tmp_path):
    batch = entries(list(stored(FOLDER / f"{style}.als.gz")))
    assert fault_of(batch) is None
    sink = Entries(
        [Retry("busy"), lambda one: Partial("odd ones", rejected=dict.fromkeys(range(1, len(one.rows), 2), "odd"))],
        limits=Limits(4),
    )
    metrics = SelfMetrics()
    letters = DeadLetters(tmp_path / "letters", "sink", metrics, max_bytes=1 << 24)
    async with SqliteJournal(tmp_path / "journal.db", metrics, max_bytes=1 << 26, retention_s=3600) as journal:
        one = delivery(sink, journal, dead_letters=letters)
        await journal.append([batch])
        await run_until_delivered(one)
        account = one.account()
        assert account.unaccounted == 0
        assert account.delivered + account.dead_lettered == len(batch.rows)
        [kept] = letters.files()
        assert set(read(kept.path).reasons) == {"odd"}
        refused = rows_of(read(kept.path).batch)
        assert len(refused) == account.dead_lettered > 0
        await Replay("sink", sink).dead_letters([kept.path])
        assert set(refused) <= set(sink.rows)
        assert letters.files() == []
    again = Entries()
    history = (batch for _, _, batch in History(tmp_path / "journal.db").batches())
    done = await Replay("again", again).history(history)
    assert done.delivered == len(batch.rows)
    assert again.taken[0].rows.equals(batch.rows)
