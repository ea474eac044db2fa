"""Whatever comes in: it is counted by its reason, kept out, and the stream and the service go on."""

import asyncio

import grpc
import pytest

from tests.service.running import Envoy, counted, page, running, samples, settings, until
from tests.service.running import total as metric_total
from tests.wire import inbound, message, node

REVIEWS = node()


GARBAGE = {"ones": b"\xff" * 100, "cut": b"\x12\x7f", "inner": b"\x0a\x03\x0a\x7fx", "text": b"hello, world"}


def rejected(service, reason: str) -> float:
    return counted(service, "telemetry_receiver_rejected_total", reason=reason)


def refused(service, reason: str) -> float:
    return counted(service, "telemetry_receiver_refused_total", reason=reason)


async def send_and_end(envoy: Envoy, raw: bytes) -> None:
    await envoy.send(raw)
    await envoy.end()


def malformed(service) -> float:
    return rejected(service, "malformed_message") + rejected(service, "malformed_entry")


async def goes_on(service, envoy: Envoy, entries_before: int = 0) -> None:
    """The same stream still works: what it sends now is counted."""
    assert not envoy.done
    [delivery] = service.deliveries
    await until(lambda: counted(service, "telemetry_receiver_entries_total") == entries_before)
    await until(lambda: entries_before == 0 or (delivery.account().delivered > 0 and not delivery.account().pending))
    before = await metric_total(service, "istio_requests_total")
    await envoy.send(message(inbound(), sender=REVIEWS))
    # Not merely for some delivery: metrics of a tick come in between.
    async with asyncio.timeout(10):
        while await metric_total(service, "istio_requests_total") != before + 1:
            await asyncio.sleep(0.005)
    await envoy.end()


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_is_counted_and_the_stream_goes_on(garbage):
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(garbage)
        await until(lambda: malformed(service) + refused(service, "no_identifier") >= 1)
        await goes_on(service, envoy)


async def test_a_truncated_message_costs_what_was_cut_off():
    whole = message(inbound(), inbound(), sender=REVIEWS)
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(whole[:-10])
        await until(lambda: malformed(service) == 1)
        await goes_on(service, envoy, int(counted(service, "telemetry_receiver_entries_total")))


async def test_an_entry_without_common_properties_costs_itself_only():
    odd = inbound()
    odd.ClearField("common_properties")
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound(), odd, inbound(), sender=REVIEWS))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 2)
        assert rejected(service, "no_common_properties") == 1
        await goes_on(service, envoy, 2)


async def test_a_first_message_without_identifier_is_counted_and_its_entries_kept():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound()))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 1)
        assert refused(service, "no_identifier") == 1
        await goes_on(service, envoy, 1)


async def test_a_message_beyond_the_limit_is_skipped_and_the_stream_goes_on():
    small = settings(receiver={
        "grpc": {"address": "127.0.0.1:0", "max_message_bytes": 1 << 20}, "coalesce": {"max_delay_s": 0.01},
    })  # fmt: skip
    async with running(small) as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound(path="/" + "x" * (2 << 20)), sender=REVIEWS))
        await until(lambda: refused(service, "message_too_large") == 1)
        await goes_on(service, envoy)


async def test_a_small_message_of_very_many_entries_is_skipped_and_the_stream_goes_on():
    bomb = b"\x12" + b"\x80\x83\x18" + b"\x0a\x04\x0a\x02\x0a\x00" * 65_600
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(sender=REVIEWS), bomb)
        await until(lambda: refused(service, "too_many_entries") == 1)
        assert rejected(service, "too_many_entries") == 65_600
        await goes_on(service, envoy)


async def test_a_message_of_100_mb_ends_its_stream_is_counted_and_the_service_goes_on():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(sender=REVIEWS))
        with pytest.raises(grpc.aio.AioRpcError):
            await send_and_end(envoy, bytes(100 << 20))
        assert await envoy.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await until(lambda: counted(service, "telemetry_receiver_streams_closed_total", reason="cancelled") == 1)
        await envoy.drop()
        await goes_on(service, Envoy(service.grpc_port))


async def test_a_stream_that_never_sends_costs_nothing_and_holds_nobody_up():
    async with running() as service:
        silent, talking = Envoy(service.grpc_port), Envoy(service.grpc_port)
        await silent.send()
        await goes_on(service, talking)
        await silent.drop()
        await until(lambda: counted(service, "telemetry_receiver_streams") == 0)


async def test_invalid_utf8_is_repaired_and_counted():
    raw = message(inbound(path="/caf#"), sender=REVIEWS).replace(b"/caf#", b"/caf\xff")
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(raw)
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 1)
        assert counted(service, "telemetry_receiver_repaired_total", reason="invalid_utf8") == 1
        await goes_on(service, envoy, 1)


async def test_labels_with_quotes_and_newlines_arrive_as_they_are():
    hostile = 'evil"} 1\nistio_requests_total{reporter="forged\\'
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(inbound(), sender=node(hostile)))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 1)
        await until(lambda: service.deliveries[0].account().delivered > 0)
        [(labels, value)] = await samples(service, "istio_requests_total")
        assert (labels["destination_workload"], value) == (hostile, 1)
        assert "forged" in await page(service)
        await envoy.end()


@pytest.mark.parametrize("seconds", [9_000_000_000, 250_000_000_000, -62_000_000_000])
async def test_a_clock_far_off_does_not_disturb_the_count(seconds):
    entry = inbound()
    entry.common_properties.start_time.FromSeconds(seconds)
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(entry, sender=REVIEWS))
        await until(lambda: counted(service, "telemetry_receiver_entries_total") == 1)
        out_of_range = abs(seconds) > 9_223_372_036
        repaired = counted(service, "telemetry_receiver_repaired_total", reason="time_out_of_range")
        assert repaired == (1 if out_of_range else 0)
        await goes_on(service, envoy, 1)


async def test_no_duration_and_no_code_are_counted_as_istio_counts_them():
    without, zero = inbound(0), inbound()
    without.common_properties.ClearField("duration")
    zero.common_properties.duration.Clear()
    zero.common_properties.duration.SetInParent()
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        await envoy.send(message(without, zero, sender=REVIEWS))
        await until(lambda: service.deliveries[0].account().delivered > 0)
        assert await metric_total(service, "istio_requests_total", response_code="0") == 1
        assert await metric_total(service, "istio_request_duration_milliseconds_count", response_code="0") == 0
        assert (
            await metric_total(service, "istio_request_duration_milliseconds_bucket", response_code="200", le="0.5")
            == 1
        )
        await goes_on(service, envoy, 2)


async def test_more_streams_than_a_peer_may_have_are_refused_and_counted():
    few = settings(receiver={"grpc": {"address": "127.0.0.1:0", "max_streams_per_peer": 1}})
    async with running(few) as service:
        first = Envoy(service.grpc_port)
        await first.send(message(sender=REVIEWS))
        await until(lambda: counted(service, "telemetry_receiver_streams") == 1)
        second = Envoy(service.grpc_port)
        assert await second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused(service, "too_many_streams") == 1
        await first.drop()
        await second.drop()
