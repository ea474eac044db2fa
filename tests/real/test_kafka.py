"""A real Kafka broker: killed in mid-flow it has every record, and what it has is what real Envoys reported."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from telemetry.adapters.kafka import Kafka
from telemetry.batch import Batch, Template
from telemetry.delivery import Delivery, Patience, Terms
from telemetry.errors import Retry, TooLarge
from telemetry.kafka_records.avro_schema import stored
from telemetry.kafka_records.layout import field_name, flat, layout_of
from telemetry.selfmetrics import SelfMetrics
from telemetry.testing import FakeJournal, batch_of, hostile, marks, megabytes
from tests.adapters.kafka_records import entries, identity, mark
from tests.real.in_process import mesh_through
from tests.real.kafka_broker import PARTITIONS, PASSWORD, USER, Broker, consumed, running_broker
from tests.service.running import until

pytestmark = pytest.mark.real

QUICK = Terms(patience=Patience(deadline_s=5.0, initial_backoff_s=0.05, max_backoff_s=0.5))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


def plain(batch: Batch) -> list[dict[str, Any]]:
    """The batch's rows as Avro has them."""
    rows = flat(batch.rows).with_columns(batch.row_numbers.alias("row"))
    layout = layout_of(batch.template)
    cast = rows.select(pl.col(name).cast(stored(rows.schema[name]), wrap_numerical=True) for name in layout.names)
    named = cast.rename({name: field_name(name) for name in layout.names})
    identity = {"receiver": batch.receiver, "epoch": batch.epoch, "sequence": batch.sequence}
    return [{**identity, **row} for row in named.iter_rows(named=True)]


async def created(broker: Broker, topic: str, **settings: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=settings)])
    finally:
        await admin.close()


@pytest.mark.parametrize("mode", ["batch", "entry"])
async def test_a_broker_killed_and_restarted_in_mid_flow_has_every_row_once_by_its_identity(
    broker: Broker, mode: str
) -> None:
    batches = [batch_of(Template.LOGENTRY, 500, sequence=at) for at in range(1, 61)]
    config = Kafka.Config(bootstrap_servers=broker.address, topic=f"killed-{mode}", mode=mode, format="json")
    journal = FakeJournal()
    async with Kafka(config) as adapter:
        delivery = Delivery("kafka", adapter, journal, SelfMetrics(), QUICK)
        task = asyncio.create_task(delivery.run())
        await journal.append(batches)
        await until(lambda: delivery.account().delivered >= 2_000)
        broker.kill()
        in_flight = delivery.account().delivered
        await asyncio.to_thread(broker.start)
        async with asyncio.timeout(60):
            while journal.pending_rows("kafka"):
                await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert in_flight < 30_000
    found = entries(await consumed(broker, f"killed-{mode}"), mode)
    by_identity = {identity(entry): mark(Template.LOGENTRY, entry) for entry in found}
    assert sorted(by_identity.values()) == sorted(one for batch in batches for one in marks(batch))
    assert delivery.account().unaccounted == 0


async def test_what_real_envoys_reported_is_read_back_from_avro_as_it_was(
    broker: Broker, tmp_path: Path, envoy_binary: Path
) -> None:
    options = {"bootstrap_servers": broker.address, "topic": "mesh.{template}"}
    async with mesh_through(Kafka, options, tmp_path) as given:
        pass
    for template in (Template.LOGENTRY, Template.TRACESPAN, Template.METRIC, Template.HOP):
        records = await consumed(broker, f"mesh.{template}")
        found = {identity(entry): entry for entry in entries(records)}
        expected = {identity(entry): entry for batch in given.of(template) for entry in plain(batch)}
        assert expected
        assert found == expected


async def test_transactions_and_hostile_rows_pass_tls_with_certificates_and_a_password(
    broker: Broker, tmp_path: Path
) -> None:
    broker.authority.issue("mesh")
    options = {
        "bootstrap_servers": broker.secure_address,
        "topic": "secure.{template}",
        "tls": True,
        "certificate": broker.folder / "ca.pem",
        "client_certificate": broker.folder / "mesh.pem",
        "client_key": broker.folder / "mesh.key",
        "transactional_id": "mesh-1",
        "mode": "entry",
    }
    sasl = {"mechanism": "SCRAM-SHA-256", "username": USER, "password": SecretStr(PASSWORD)}
    batches = [hostile(template) for template in Template]
    async with Kafka(Kafka.Config(**options, sasl=sasl)) as adapter:
        for batch in batches:
            await adapter.export(batch)
    for batch in batches:
        found = entries(await consumed(broker, f"secure.{batch.template}"), "entry")
        assert sorted(found, key=identity) == sorted(plain(batch), key=identity)
    wrong = {**sasl, "password": SecretStr("wrong")}
    async with Kafka(Kafka.Config(**options, sasl=wrong)) as adapter:
        with pytest.raises(Retry, match="password right") as refused:
            await adapter.export(batches[0])
    assert "wrong" not in str(refused.value)


async def test_brokers_that_take_less_than_they_should_are_learned_of_and_a_row_too_large_is_named(
    broker: Broker,
) -> None:
    await created(broker, "small", **{"max.message.bytes": "60000"})
    config = Kafka.Config(bootstrap_servers=broker.address, topic="small", format="json", compression="none")
    batch, journal = batch_of(Template.LOGENTRY, 400), FakeJournal()
    async with Kafka(config) as adapter:
        delivery = Delivery("kafka", adapter, journal, SelfMetrics(), QUICK)
        task = asyncio.create_task(delivery.run())
        await journal.append([batch, megabytes(Template.LOGENTRY, sequence=2)])
        await until(lambda: not journal.pending_rows("kafka"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(TooLarge, match="max_message_bytes"):
            await adapter.export(megabytes(Template.LOGENTRY, sequence=3).slice(1, 1))
    found = {mark(Template.LOGENTRY, entry) for entry in entries(await consumed(broker, "small"))}
    assert found == {*marks(batch), "2-0", "2-2"}
    assert (delivery.account().delivered, delivery.account().unaccounted) == (402, 0)


async def test_a_topic_that_brokers_do_not_take_is_the_operators_to_mend(broker: Broker) -> None:
    async with Kafka(Kafka.Config(bootstrap_servers="127.0.0.1:1")) as adapter:
        with pytest.raises(Retry, match="are the brokers up"):
            await adapter.export(batch_of(Template.EDGE))
