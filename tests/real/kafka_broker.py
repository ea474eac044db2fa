"""A real Kafka broker (KRaft, one node), to be killed and started again, and what a consumer finds in it."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.adapters.kafka_records import Record
from tests.authority import Authority
from tests.conftest import tool

CLUSTER = "AAAAAAAAAAAAAAAAAAAAAA"
USER, PASSWORD = "mesh", "hunter2-secret"
PARTITIONS = 3
_DEADLINE_S = 60.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class Broker:
    folder: Path
    plain_port: int
    secure_port: int
    controller_port: int
    authority: Authority
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.plain_port}"

    @property
    def secure_address(self) -> str:
        return f"localhost:{self.secure_port}"

    def format(self) -> None:
        (self.folder / "server.properties").write_text(self._properties())
        scram = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
        arguments = ("-t", CLUSTER, "-c", self.folder / "server.properties", "--add-scram", scram)
        subprocess.run(
            [tool("kafka"), "kafka.tools.StorageTool", "format", *arguments], check=True, capture_output=True
        )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [tool("kafka"), "kafka.Kafka", self.folder / "server.properties"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _DEADLINE_S
        while not self._listens():
            log_text = (self.folder / "log").read_text()[-3000:]
            assert self._process.poll() is None, log_text
            assert time.monotonic() < deadline, log_text
            time.sleep(0.1)

    def kill(self) -> None:
        """As when the machine fails: nothing is finished."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.plain_port)) == 0

    def _properties(self) -> str:
        self.authority.issue("broker")
        keystore = self.folder / "keystore.pem"
        keystore.write_bytes(self.authority.read("broker.key") + self.authority.read("broker.pem"))
        return "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{self.controller_port}",
                f"listeners=PLAINTEXT://{self.address},SASL_SSL://{self.secure_address},"
                f"CONTROLLER://127.0.0.1:{self.controller_port}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
                f"log.dirs={self.folder / 'data'}",
                f"num.partitions={PARTITIONS}",
                # A broker that comes back waits until its former self has been given up.
                "broker.session.timeout.ms=2000",
                "broker.heartbeat.interval.ms=500",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=1",
                "sasl.enabled.mechanisms=SCRAM-SHA-256",
                "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config="
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                "ssl.client.auth=required",
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={keystore}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self.folder / 'ca.pem'}",
            )
        )


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder, *free_ports(3), Authority(folder))
    broker.format()
    broker.start()
    yield broker
    broker.kill()


async def consumed(broker: Broker, topic: str) -> list[Record]:
    """Every record of the topic that is there now, transactions that were not committed left out."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.address, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    records = []
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(_DEADLINE_S):
            while any([await consumer.position(one) < ends[one] for one in partitions]):
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    records += [
                        Record(one.topic, one.partition, one.key, one.value, dict(one.headers)) for one in found
                    ]
    finally:
        await consumer.stop()
    return records
