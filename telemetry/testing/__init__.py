"""The kit for adapters: the contract that all of them keep, batches to try them with, fakes of what surrounds them.

    class TestMine(AdapterContract):
        adapter_class = Mine
        cannot = {Behaviour.PARTIAL: "a file takes all or nothing"}

        @pytest.fixture
        def sink(self, tmp_path):
            return MySink(tmp_path)        # behave(...), taken(), identities(): see Sink

        def make(self, sink):
            return Mine(Mine.Config(path=sink.path))

Needs pytest and pytest-asyncio, which the extra `testing` brings.
"""

import pytest

# Before the modules are imported: asserts of the contract tell what they compared.
pytest.register_assert_rewrite(
    *(
        f"telemetry.testing.{name}"
        for name in ("subject", "deliveries", "failures", "interruptions", "strangers", "promises")
    )
)

from telemetry.testing.batches import EPOCH_NS, batch_of, marked, marks  # noqa: E402 - see above
from telemetry.testing.clock import Clock  # noqa: E402
from telemetry.testing.contract import AdapterContract  # noqa: E402
from telemetry.testing.hostile import HOSTILE, hostile, hostile_names, megabytes  # noqa: E402
from telemetry.testing.journal import FakeJournal  # noqa: E402
from telemetry.testing.sink import Behaviour, Feature, Sink  # noqa: E402

__all__ = [
    "EPOCH_NS",
    "HOSTILE",
    "AdapterContract",
    "Behaviour",
    "Clock",
    "FakeJournal",
    "Feature",
    "Sink",
    "batch_of",
    "hostile",
    "hostile_names",
    "marked",
    "marks",
    "megabytes",
]
