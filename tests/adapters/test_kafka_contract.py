"""Kafka keeps the contract, by batches of Avro and by entries of JSON; test_kafka.py has the other formats."""

import pytest_asyncio
from pydantic import SecretStr

from telemetry.adapters.kafka import Kafka
from telemetry.testing import AdapterContract, Behaviour
from tests.adapters.kafka_sink import Brokers

SECRET = "hunter2-secret"
CANNOT = {Behaviour.REJECT: "but for a record's size, whatever brokers refuse is their operator's to undo"}


class KafkaContract(AdapterContract):
    adapter_class = Kafka
    cannot = CANNOT
    secrets = (SECRET,)
    options: dict[str, object] = {}  # noqa: RUF012 - set once by each class below

    @pytest_asyncio.fixture
    async def sink(self):
        return Brokers(mode=str(self.options.get("mode", "batch")))

    def make(self, sink):
        sasl = {"mechanism": "PLAIN", "username": "me", "password": SecretStr(SECRET)}
        config = Kafka.Config(
            bootstrap_servers="127.0.0.1:9092", sasl=sasl, max_message_bytes=4_000_000, key="request.id", **self.options
        )
        return Kafka(config, new_producer=sink.producer)


class TestAvroBatches(KafkaContract):
    huge_rows = 5_000


class TestJsonEntries(KafkaContract):
    options = {"format": "json", "mode": "entry"}  # noqa: RUF012 - never changed
    huge_rows = 2_000
