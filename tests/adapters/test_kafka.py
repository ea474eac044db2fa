"""The Kafka adapter beside the contract: keys, topics, sizes, schemas, what it refuses at the start."""

import gzip
import io
import json
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import fastavro
import polars as pl
import pytest
from aiohttp import web
from aiokafka import errors
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from telemetry.adapters.kafka import Kafka
from telemetry.batch import SCHEMAS, Batch, Template
from telemetry.errors import Partial, Retry, TooLarge
from telemetry.kafka_producer.registry import Registry, SchemaRegistry
from telemetry.kafka_records import avro, protobuf
from telemetry.kafka_records.avro_schema import NAMES, batch_schema, entry_schema
from telemetry.kafka_records.keys import keys_of, murmur2, partitions_of
from telemetry.kafka_records.layout import field_name, layout_of
from telemetry.outgoing.http import Answer
from telemetry.testing import batch_of, hostile, marks, megabytes
from tests.adapters.kafka_records import entries, mark
from tests.adapters.kafka_sink import Brokers

SERVER = {"bootstrap_servers": "127.0.0.1:9092"}


def config(**options) -> Kafka.Config:
    return Kafka.Config(**SERVER, **options)


async def sent(brokers: Brokers, *batches: Batch, **options) -> None:
    async with Kafka(config(**options), new_producer=brokers.producer) as adapter:
        for batch in batches:
            await adapter.export(batch)


# Keys ---------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=30))
def test_keys_lead_to_the_partitions_that_other_clients_choose(keys: list[bytes]) -> None:
    assert murmur2(keys).tolist() == [reference(key) & 0xFFFFFFFF for key in keys]
    expected = [DefaultPartitioner()(key, list(range(7)), list(range(7))) for key in keys]
    assert partitions_of(list(keys), 7, 1).tolist() == expected


@pytest.mark.parametrize(
    ("template", "key", "first"),
    [
        (Template.LOGENTRY, "workload", b"shop/reviews-v1"),
        (Template.LOGENTRY, "edge", b"shop/web-v1>shop/reviews-v1"),
        (Template.METRIC, "edge", b"shop/web-v1>/reviews-v1"),
        (Template.METRIC, "trace", b"1000000"),
        (Template.EDGE, "trace", b"shop/1-0>shop/reviews-v1"),
        (Template.LOGENTRY, "request.method", b"GET"),
        (Template.LOGENTRY, '"one"', b"one"),
        (Template.METRIC, 'labels["mark"]', b"1-0"),
        (Template.LOGENTRY, "none", None),
    ],
)
def test_a_row_is_keyed_as_configured(template: Template, key: str, first: bytes | None) -> None:
    batch = batch_of(template, 3)
    keys = keys_of(batch, key)
    assert len(keys) == 3
    assert keys[0] == first


async def test_rows_of_one_key_stay_in_one_partition_and_in_their_order() -> None:
    brokers = Brokers(partitions=5)
    await sent(brokers, batch_of(Template.LOGENTRY, 200), key="edge", mode="entry", format="json")
    where = {(record.key, record.partition) for record in brokers.records}
    assert len(where) == len({key for key, _ in where})
    for partition in range(5):
        rows = [int(record.headers["row"]) for record in brokers.records if record.partition == partition]
        assert all(before < after for before, after in pairwise(rows))


# Sizes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["avro", "json", "protobuf", "arrow"])
async def test_records_are_split_to_fit_and_none_is_lost(form: str) -> None:
    brokers, batch = Brokers(partitions=1), batch_of(Template.LOGENTRY, 300)
    await sent(brokers, batch, format=form, max_message_bytes=64 * 1024)
    assert len(brokers.records) > 2
    assert max(len(record.value) for record in brokers.records) < 64 * 1024
    assert [mark(batch.template, entry) for entry in entries(brokers.records)] == marks(batch)


@pytest.mark.parametrize("template", list(Template))
@pytest.mark.parametrize(
    ("form", "mode"), [("protobuf", "batch"), ("protobuf", "entry"), ("arrow", "batch"), ("json", "batch")]
)
async def test_hostile_rows_arrive_as_they_are_in_every_format(form: str, mode: str, template: Template) -> None:
    brokers, batch = Brokers(mode=mode), hostile(template)
    await sent(brokers, batch, batch_of(template, 3, sequence=2).slice(1, 2), format=form, mode=mode)
    assert sorted(await brokers.taken()) == sorted([*marks(batch), "2-1", "2-2"])
    assert len(set(await brokers.identities())) == len(batch.rows) + 2


@pytest.mark.parametrize("mode", ["batch", "entry"])
async def test_only_the_row_that_no_record_can_hold_is_rejected(mode: str) -> None:
    brokers = Brokers(mode=mode)
    with pytest.raises(Partial, match="too large") as partial:
        await sent(brokers, megabytes(Template.LOGENTRY), mode=mode, max_message_bytes=100_000)
    assert list(partial.value.rejected) == [1]
    assert "max_message_bytes=100000" in partial.value.rejected[1]
    assert partial.value.retry == ()
    assert set(await brokers.taken()) == {"1-0", "1-2"}
    with pytest.raises(TooLarge, match="raise it here and on the brokers"):
        await sent(brokers, megabytes(Template.LOGENTRY).slice(1, 1), mode=mode, max_message_bytes=100_000)


async def test_what_brokers_find_too_large_is_offered_in_smaller_records() -> None:
    brokers, batch = Brokers(partitions=1, largest=70_000), batch_of(Template.LOGENTRY, 300)
    async with Kafka(config(max_message_bytes=200_000), new_producer=brokers.producer) as adapter:
        left = batch
        for _ in range(5):
            try:
                await adapter.export(left)
            except Retry:
                continue
            except Partial as error:
                left = left.take(pl.Series(error.retry, dtype=pl.UInt32))
            else:
                break
    assert sorted(await brokers.taken()) == sorted(marks(batch))


# Failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "hint"),
    [
        (errors.TopicAuthorizationFailedError("t"), "right to write"),
        (errors.InvalidTopicError(), "name another"),
        (errors.UnknownTopicOrPartitionError(), "create the topic"),
        (errors.ProducerFenced(), "same transactional_id"),
        (errors.OutOfOrderSequenceNumber(), "tried again"),
        (RuntimeError("whatever"), "tried again"),
    ],
)
async def test_a_refusal_is_the_operators_to_undo_and_a_new_producer_goes_on(refusal: Exception, hint: str) -> None:
    brokers, batch = Brokers(), batch_of(Template.LOGENTRY)
    async with Kafka(config(), new_producer=brokers.producer) as adapter:
        brokers.refusal = refusal
        with pytest.raises(Retry, match=hint):
            await adapter.export(batch)
        brokers.refusal = None
        await adapter.export(batch)
        assert [producer.stopped for producer in brokers.producers] == [True, False]
    assert sorted(await brokers.taken()) == sorted(marks(batch))


async def test_a_transaction_that_fails_shows_nothing_of_its_batch() -> None:
    brokers, batch = Brokers(), batch_of(Template.LOGENTRY, 30)
    async with Kafka(config(transactional_id="one"), new_producer=brokers.producer) as adapter:
        brokers.refusal = errors.UnknownError()
        with pytest.raises(Retry):
            await adapter.export(batch)
        assert brokers.records == []
        brokers.refusal = None
        await adapter.export(batch)
    assert sorted(await brokers.taken()) == sorted(marks(batch))


# Configuration ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"topic": "{template}"}, "text of its own"),
        ({"topic": "a/b"}, "letters"),
        ({"topics": {"logentry": "x y"}}, "letters"),
        ({"topic": ".."}, "letters"),
        ({"topic": "x{other}"}, "letters"),
        ({"key": "no.such.attribute"}, "neither one of none, trace"),
        ({"format": "arrow", "mode": "entry"}, "needs mode: batch"),
        ({"format": "json", "schema_registry": {"url": "http://r"}}, "format: avro only"),
        ({"topic": "one", "schema_registry": {"url": "http://r"}}, "topic_record"),
        ({"sasl": {"mechanism": "PLAIN", "username": "x"}}, "needs username and password"),
        ({"sasl": {"mechanism": "OAUTHBEARER"}}, "needs token"),
        ({"client_certificate": "pyproject.toml"}, "go together"),
        ({"bootstrap_servers": "no port"}, "pattern"),
    ],
)
def test_what_does_not_fit_together_stops_the_start(options: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Kafka.Config(**{**SERVER, **options})


def test_a_password_is_not_shown_to_the_network() -> None:
    sasl = {"mechanism": "PLAIN", "username": "x", "password": SecretStr("y")}
    with pytest.raises(ValidationError, match="set tls: true"):
        Kafka.Config(bootstrap_servers=["kafka.example:9092"], sasl=sasl)
    Kafka.Config(bootstrap_servers=["kafka.example:9092"], sasl=sasl, tls=True)


async def test_each_template_has_its_topic() -> None:
    brokers = Brokers()
    batches = [batch_of(template) for template in Template]
    await sent(brokers, *batches, topic="mesh.{template}", topics={"logentry": "audit"})
    assert {record.topic for record in brokers.records} == {
        "audit", "mesh.metric", "mesh.tracespan", "mesh.edge", "mesh.hop"
    }  # fmt: skip
    assert all(record.headers["receiver"] == b"receiver-0" for record in brokers.records)


# Schemas ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", list(Template))
def test_fastavro_reads_what_polars_and_we_have_written(template: Template) -> None:
    for batch in (batch_of(template, 9), hostile(template), megabytes(template)):
        data = avro.array(avro.entries(batch))
        read = fastavro.schemaless_reader(io.BytesIO(data), batch_schema(template), None)["rows"]
        assert [mark(template, entry) for entry in read] == marks(batch)
        written = io.BytesIO()
        fastavro.schemaless_writer(written, batch_schema(template), {"rows": read})
        assert fastavro.schemaless_reader(io.BytesIO(written.getvalue()), batch_schema(template), None)["rows"] == read


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20), st.text(max_size=200))
def test_rows_are_told_apart_whatever_they_hold(numbers: list[int], text: str) -> None:
    batch = batch_of(Template.LOGENTRY, len(numbers))
    changed = batch.rows.with_columns(
        pl.Series("request.size", numbers, dtype=pl.UInt64), pl.lit(text).alias("request.path")
    )
    odd = Batch(batch.template, changed, batch.receiver, batch.epoch, batch.sequence)
    for number, entry in zip(numbers, avro.entries(odd), strict=True):
        body = io.BytesIO(entry)
        read = fastavro.schemaless_reader(body, entry_schema(Template.LOGENTRY), None)
        assert not body.read()
        assert read["request_size"] % 2**64 == number
        assert read["request_path"] == text


def test_readers_of_older_and_newer_schemas_understand_our_entries() -> None:
    batch = batch_of(Template.LOGENTRY, 3)
    data = avro.container(batch.template, avro.entries(batch), b"0123456789abcdef")
    ours = json.loads(json.dumps(entry_schema(batch.template)))
    older = {**ours, "fields": [one for one in ours["fields"] if one["name"] != "request_path"]}
    newer = {**ours, "fields": [*ours["fields"], {"name": "mood", "type": ["null", "string"], "default": None}]}
    for schema, missing, added in ((older, "request_path", None), (newer, None, "mood")):
        read = list(fastavro.reader(io.BytesIO(data), schema))
        assert [entry["request_id"] for entry in read] == marks(batch)
        assert missing not in read[0]
        assert added is None or read[0][added] is None


@pytest.mark.parametrize("template", list(Template))
def test_the_protobuf_schema_has_every_column_of_its_type(template: Template) -> None:
    fields = protobuf.message_class(NAMES[template]).DESCRIPTOR.fields_by_name
    assert set(fields) == {"receiver", "epoch", "sequence", *map(field_name, layout_of(template).names)}
    kinds = {pl.String: 9, pl.Boolean: 8, pl.Float64: 1, pl.UInt64: 4, pl.UInt32: 13, pl.UInt16: 13, pl.UInt8: 13}
    for name, dtype in SCHEMAS[template].items():
        if not dtype.is_nested() and not isinstance(dtype, pl.Enum):
            assert fields[field_name(name)].type == kinds.get(dtype.base_type(), 3), name


@pytest.mark.parametrize("mode", ["batch", "entry"])
async def test_with_a_registry_avro_is_in_confluents_wire_format(mode: str) -> None:
    subjects: dict[str, str] = {}

    async def register(request: web.Request) -> web.Response:
        subjects[request.match_info["subject"]] = json.loads((await request.json())["schema"])["name"]
        return web.json_response({"id": 0x01020304})

    application = web.Application()
    application.router.add_post("/subjects/{subject}/versions", register)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    registry = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}"}
    brokers, batch = Brokers(mode=mode), batch_of(Template.HOP)
    await sent(brokers, batch, mode=mode, schema_registry=registry)
    await runner.cleanup()
    assert subjects == {"telemetry.hop-value": "Hop" if mode == "entry" else "HopBatch"}
    assert {record.value[:5] for record in brokers.records} == {b"\0\1\2\3\4"}
    assert sorted(await brokers.taken()) == sorted(marks(batch))


def test_the_protobuf_schema_and_its_descriptors_are_those_that_the_script_writes() -> None:
    path = Path(__file__).parents[2] / "scripts" / "write_protos.py"
    spec = spec_from_file_location("write_protos", path)
    assert spec
    assert spec.loader
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    written = script.PROTO.read_text()
    assert script.text(script.numbers_of(written)) == written
    assert gzip.decompress(script.DESCRIPTORS.read_bytes()) == script.descriptors()


class Replies:
    """A schema registry by its answers."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.answers, self.asked = list(answers), []

    async def post(self, url, content, headers) -> Answer:
        self.asked.append((url, json.loads(content), headers))
        status, body = self.answers.pop(0)
        return Answer(status, {}, json.dumps(body).encode(), whole=True)

    async def aclose(self) -> None:
        pass


async def test_a_schema_is_registered_once_with_its_user() -> None:
    replies = Replies((200, {"id": 7}))
    options = SchemaRegistry(url="http://registry:8081/", username="me", password=SecretStr("secret"))
    registry = Registry(options, "batch", replies)
    assert [await registry.id_of(Template.EDGE, "mesh.edge") for _ in range(2)] == [7, 7]
    ((url, body, headers),) = replies.asked
    assert url == "http://registry:8081/subjects/mesh.edge-value/versions"
    assert fastavro.parse_schema(json.loads(body["schema"]))["name"].endswith("EdgeBatch")
    assert headers["authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        ((409, {"message": "incompatible"}), "not compatible"),
        ((401, {}), "password right"),
        ((404, {}), "register it first"),
        ((200, {"id": "seven"}), "no id"),
        ((200, [1]), "no id"),
    ],
)
async def test_a_registry_that_refuses_is_asked_again_later(reply: tuple[int, object], hint: str) -> None:
    replies = Replies(reply, (200, {"id": 1}))
    registry = Registry(SchemaRegistry(url="http://r", register_schemas=False), "entry", replies)
    with pytest.raises(Retry, match=hint):
        await registry.id_of(Template.EDGE, "t")
    assert await registry.id_of(Template.EDGE, "t") == 1
