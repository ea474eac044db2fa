"""An adapter whose limits are nonsense is fed as if it had none of its own."""

from types import SimpleNamespace

import pytest
import structlog

from telemetry.journal.memory import MemoryJournal
from telemetry.plugin import Limits
from tests.delivery.sinks import ROOMY, Sink, delivery, run_until_delivered
from tests.rows import metrics

NONSENSE = {
    "None": None,
    "a fraction": Limits(rows=2.5),  # type: ignore[arg-type]
    "a text": Limits(rows="5"),  # type: ignore[arg-type]
    "bytes that are no number": Limits(size_bytes=float("nan")),  # type: ignore[arg-type]
    "half of them": SimpleNamespace(rows=1),
}


class Unconnected(Sink):
    @property
    def limits(self):
        raise RuntimeError("not connected yet")

    @limits.setter
    def limits(self, _):
        return


def odd(what: str) -> Sink:
    if what == "an error":
        return Unconnected()
    sink = Sink()
    sink.limits = NONSENSE[what]
    return sink


@pytest.mark.parametrize("what", [*NONSENSE, "an error"])
async def test_the_settings_limits_hold_where_the_adapters_are_nonsense_and_it_is_said_once(what):
    journal, sink = MemoryJournal(max_bytes=ROOMY), odd(what)
    one = delivery(sink, journal, limits=Limits(rows=2))
    await journal.append([metrics(1, 2, 3), metrics(4, 5, sequence=2)])
    with structlog.testing.capture_logs() as logs:
        await run_until_delivered(one)
        assert one.status().max_rows == 2
    assert [len(batch.rows) for batch in sink.taken] == [2, 1, 2]
    assert ["limits can't be used" in entry["event"] for entry in logs] == [True]
    assert one.last_error == ""


async def test_the_limits_of_another_adapter_are_said_anew():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(odd("None"), journal)
    with structlog.testing.capture_logs() as logs:
        one.status()
        one.adapter = odd("an error")
        one.status()
    assert [entry["error"].partition(":")[0] for entry in logs] == ["AttributeError", "RuntimeError"]
