"""How long to wait: ever longer, never in step, never at once, never for ever; and one probe at a time."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from telemetry.delivery import Patience
from telemetry.errors import Retry
from telemetry.journal.memory import MemoryJournal
from tests.delivery.sinks import ROOMY, Clock, Sink, delivery, run_until, run_until_delivered, sample
from tests.rows import metrics


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_backoff_never_exceeds_its_ceiling(attempt, seed):
    patience = Patience(initial_backoff_s=0.1, max_backoff_s=30)
    assert 0.05 <= patience.backoff_s(attempt, Random(seed)) <= 30


@given(seed=st.integers(), attempt=st.integers(1, 8))
def test_backoff_doubles_and_half_of_it_is_jitter(seed, attempt):
    patience = Patience(initial_backoff_s=0.1, max_backoff_s=1000, open_circuit_after=100)
    ceiling = 0.1 * 2 ** (attempt - 1)
    assert ceiling / 2 <= patience.backoff_s(attempt, Random(seed)) <= ceiling


@given(asked=st.one_of(st.none(), st.floats(allow_nan=True), st.integers()), attempt=st.integers(1, 100))
def test_whatever_a_sink_asks_for_it_is_tried_again_neither_at_once_nor_never(asked, attempt):
    patience = Patience(initial_backoff_s=0.1, max_backoff_s=30, max_retry_after_s=300)
    assert 0.05 <= patience.wait_s(attempt, asked, Random(1)) <= 300


@pytest.mark.parametrize(("asked", "waited"), [(17, 17), (1e9, 300), (0.001, 0.1), (float("inf"), 300)])
def test_what_a_sink_asks_for_is_bounded(asked, waited):
    assert Patience().wait_s(1, asked, Random(1)) == waited


async def test_after_failures_in_a_row_only_one_batch_probes_at_the_longest_pause():
    journal, clock = MemoryJournal(max_bytes=ROOMY), Clock()
    sink, probing = Sink([Retry("down")] * 40), []

    async def sleep(seconds):
        await clock.sleep(seconds)
        if one.status().state == "circuit_open":
            probing.append((sink.running, seconds))
            sink.most_running = sink.running

    one = delivery(sink, journal, concurrency=4, open_circuit_after=3, max_backoff_s=30, sleep=sleep)
    await journal.append([metrics(at, sequence=at) for at in range(8)])
    await run_until_delivered(one)
    late = probing[8:]  # once those are through that were on their way as it opened
    assert late
    assert all(15 <= seconds <= 30 and running <= 1 for running, seconds in late)
    assert sink.most_running <= 4
    assert one.account().delivered == 8


async def test_a_circuit_that_opens_and_closes_says_so_once_and_in_a_metric():
    journal, sink = MemoryJournal(max_bytes=ROOMY), Sink([OSError("down")] * 7)
    one = delivery(sink, journal, open_circuit_after=3)
    await journal.append([metrics(1), metrics(2)])
    with capture_logs() as logs:
        await run_until(one, lambda: len(sink.offered) == 5)
        assert sample(one, "telemetry_handler_circuit_open") == 1
        assert sample(one, "telemetry_handler_consecutive_failures") >= 3
        assert one.status().state == "circuit_open"
        await run_until_delivered(one)
    assert sample(one, "telemetry_handler_circuit_open") == 0
    said = [line["event"].split(":")[0] for line in logs]
    assert said == [
        "export failed; it will be tried again",
        "the circuit is open",
        "export works again",
        "the circuit is closed",
    ]


async def test_exports_that_fail_together_count_once():
    journal, gate = MemoryJournal(max_bytes=ROOMY), asyncio.Event()

    class Together(Sink):
        async def export(self, batch):
            if not gate.is_set():
                self.running += 1
                await gate.wait()
                raise OSError("all of them")
            await super().export(batch)

    sink = Together()
    one = delivery(sink, journal, concurrency=8, open_circuit_after=3)
    await journal.append([metrics(at, sequence=at) for at in range(8)])
    await run_until(one, lambda: sink.running == 8)
    sink.running = 0
    failures = []
    one._courier.sleep = lambda _: asyncio.sleep(0, failures.append(one.status().consecutive_failures))
    task = asyncio.create_task(one.run())
    while sink.running < 8:
        await asyncio.sleep(0)
    gate.set()
    await asyncio.wait_for(one.delivered(), 10)
    task.cancel()
    assert set(failures) == {1}


async def test_an_error_that_repeats_is_logged_once():
    journal = MemoryJournal(max_bytes=ROOMY)
    one = delivery(Sink([OSError(f"port {at}") for at in range(9)]), journal)
    await journal.append([metrics(1)])
    with capture_logs() as logs:
        await run_until_delivered(one)
    assert [line["log_level"] for line in logs] == ["warning", "info"]
