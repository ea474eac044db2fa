"""How we and an adapter's program agree, what its answers mean, and who may read what."""

import asyncio
import gzip
from dataclasses import replace
from pathlib import Path

import grpc
import orjson
import polars as pl
import pytest
from grpc_health.v1 import health_pb2
from polars.testing import assert_frame_equal
from pydantic import SecretStr, ValidationError

from scripts.write_adapter_protocol import DESCRIPTORS, descriptors
from telemetry.adapter_protocol.agreement import PROTOCOL_VERSIONS
from telemetry.adapter_protocol.messages import SERVICE, number, of, pool
from telemetry.adapters.grpc import Grpc
from telemetry.batch import Template
from telemetry.config.handlers import settings_class
from telemetry.errors import Partial, Rejected, Retry, StartError, TooLarge
from telemetry.testing import Behaviour, batch_of, hostile, marks
from tests.adapters.adapter_program import Program, running
from tests.authority import Authority

LOGS = batch_of(Template.LOGENTRY, 8)


def adapter(program: Program, **options) -> Grpc:
    return Grpc(Grpc.Config(address=f"localhost:{program.port}", **options))


async def error_for(program: Program, batch=LOGS, **options):
    async with running(program), adapter(program, **options) as one:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the test looks at its class
            await one.export(batch)
    return caught.value


def test_the_descriptors_are_those_of_the_proto() -> None:
    assert gzip.decompress(DESCRIPTORS.read_bytes()) == gzip.decompress(descriptors())


def test_every_template_has_its_number() -> None:
    values = pool().FindEnumTypeByName("telemetry.adapter.v1.Template").values_by_name
    assert set(values) == {"TEMPLATE_UNSPECIFIED", *(one.name for one in Template)}


@pytest.mark.parametrize("template", list(Template))
async def test_by_arrow_the_rows_arrive_as_they_are_identity_included(template: Template) -> None:
    batch = batch_of(template, 12, sequence=7).slice(3, 5)
    async with running(Program()) as program, adapter(program, templates=(template,)) as one:
        await one.export(batch)
    (got,) = program.batches
    # A dictionary-encoded column comes back as Categorical, whose values are the same.
    assert_frame_equal(got.rows, batch.rows, check_dtypes=False, categorical_as_str=True)
    assert (got.template, got.receiver, got.epoch, got.sequence) == (template, "receiver-0", batch.epoch, 7)
    assert got.row_numbers.to_list() == [3, 4, 5, 6, 7]


async def test_json_lines_have_one_object_a_row_with_its_number_whatever_is_in_it() -> None:
    messages = []

    class Keeping(Program):
        def take(self, batch, opening, context):
            messages.append(batch)
            return {"ok": {}}

    async with running(Keeping(encodings=("json_lines",))) as program, adapter(program) as one:
        await one.export(LOGS.slice(2, 3))
        await one.export(hostile(Template.LOGENTRY))
    first, second = (list(map(orjson.loads, message.rows.split(b"\n")[:-1])) for message in messages)
    assert [row["row"] for row in first] == [2, 3, 4]
    assert [row["request.id"] for row in first] == marks(LOGS)[2:5]
    assert [row["request.id"] for row in second] == marks(hostile(Template.LOGENTRY))


@pytest.mark.parametrize(
    ("reads", "wanted", "agreed"),
    [
        (("json_lines", "arrow"), "auto", "json_lines"),
        (("arrow", "json_lines"), "auto", "arrow"),
        (("arrow", "json_lines"), "json_lines", "json_lines"),
        (("protobuf",), "auto", "protobuf"),
    ],
)
async def test_the_encoding_is_what_the_program_likes_best_of_what_we_may(reads, wanted: str, agreed: str) -> None:
    async with running(Program(encodings=reads)) as program, adapter(program, encoding=wanted) as one:
        await one.export(LOGS)
    (opening,) = program.openings
    assert opening.encoding == number("Encoding", agreed.upper())
    assert await program.taken() == marks(LOGS)


@pytest.mark.parametrize(
    ("program", "options", "says"),
    [
        (Program(versions=(2, 3)), {}, "speaks protocol versions 2, 3, we speak 1; upgrade"),
        (Program(versions=()), {}, "speaks protocol versions none"),
        (Program(encodings=("arrow",)), {"encoding": "protobuf"}, "reads none of the encodings protobuf"),
        (Program(templates=(Template.EDGE,)), {}, "does not accept logentry; leave it out of the option templates"),
        (Program(faults=[("a.b", "is bad"), ("", "all bad")]), {}, "a.b: is bad; : all bad"),
    ],
)
async def test_where_there_is_no_agreement_nothing_is_sent_and_the_message_says_why(program, options, says) -> None:
    error = await error_for(program, **options)
    assert isinstance(error, Retry)
    assert says in str(error)
    assert not program.openings


async def test_a_template_that_the_option_leaves_out_is_never_sent() -> None:
    error = await error_for(program := Program(), batch_of(Template.EDGE))
    assert isinstance(error, Rejected)
    assert not program.batches


async def test_of_versions_the_highest_common_one_is_used() -> None:
    async with running(Program(versions=(0, 1, 2))) as program, adapter(program) as one:
        await one.export(LOGS)
    assert program.openings[0].protocol_version == max(PROTOCOL_VERSIONS)


async def test_what_is_not_well_is_sent_nothing_until_it_is() -> None:
    async with running(Program()) as program, adapter(program) as one:
        program.health.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
        with pytest.raises(Retry, match="not SERVING"):
            await one.export(LOGS)
        assert not program.calls
        program.health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await one.export(LOGS)
    assert await program.taken() == marks(LOGS)


async def test_a_program_without_a_health_service_counts_as_well() -> None:
    async with running(Program(with_health=False)) as program, adapter(program) as one:
        await one.export(LOGS)
    assert await program.taken() == marks(LOGS)


async def test_the_program_is_told_options_and_secrets_as_one_object() -> None:
    options = {"options": {"file": "x", "days": 7}, "secret_options": {"token": SecretStr("hunter2")}}
    async with running(Program()) as program, adapter(program, **options) as one:
        await one.export(LOGS)
    told = {"file": "x", "days": 7, "token": "hunter2"}
    assert orjson.loads(program.told[0]) == orjson.loads(program.openings[0].options_json) == told


@pytest.mark.parametrize("where", ["fault", "result"])
async def test_a_program_that_repeats_a_secret_is_not_quoted(where: str) -> None:
    says = "bad token hunter2-secret \x1b[31m"
    program = Program(faults=[("token", says)]) if where == "fault" else Program(result={"rejected": {"message": says}})
    error = await error_for(program, secret_options={"token": SecretStr("hunter2-secret")})
    assert "bad token ******" in str(error)
    assert "hunter2" not in str(error)
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("result", "kind", "after_s"),
    [
        ({"retry": {"message": "x", "after_ms": 1500}}, Retry, 1.5),
        ({"retry": {"after_ms": 4_000_000_000}}, Retry, 3600.0),
        ({"rejected": {"message": "x"}}, Rejected, None),
        ({"too_large": {"message": "x"}}, TooLarge, None),
        ({"partial": {"retry_positions": [1], "rejected": {2: "x"}, "after_ms": 250}}, Partial, 0.25),
        ({"partial": {"retry_positions": [8]}}, Retry, None),
        ({"partial": {"retry_positions": [1], "rejected": {1: "x"}}}, Retry, None),
        ({"partial": {}}, Retry, None),
        ({}, Retry, None),
    ],
)
async def test_a_result_means(result, kind, after_s) -> None:
    error = await error_for(Program(result=result))
    assert type(error) is kind
    assert getattr(error, "after_s", None) == after_s


async def test_a_result_of_another_batch_is_nobodys() -> None:
    strangers = of("ExportResponse")(id=77, rejected={"message": "no"}).SerializeToString()
    error = await error_for(Program(result=strangers), timeout_s=0.3)
    assert isinstance(error, Retry)
    assert "no result within" in str(error)


async def test_several_batches_are_on_their_way_at_once_and_each_has_its_own_result() -> None:
    batches = [batch_of(Template.LOGENTRY, 5, sequence=at) for at in range(6)]
    async with running(Program()) as program, adapter(program) as one:
        await asyncio.gather(*map(one.export, batches))
    assert sorted(await program.taken()) == sorted(mark for batch in batches for mark in marks(batch))
    assert (program.calls["Describe"], len(program.openings)) == (1, 1)


async def test_the_programs_limits_are_kept_once_they_are_known() -> None:
    program = Program(limits={"max_rows": 3, "max_message_bytes": 100_000})
    async with running(program), adapter(program) as one:
        assert one.limits.rows is None
        with pytest.raises(TooLarge, match="takes 3 rows at a time, these are 8"):
            await one.export(LOGS)
        assert one.limits.rows == 3
        wide = LOGS.rows.head(1).with_columns(pl.lit("x" * 200_000).alias("request.path"))
        with pytest.raises(TooLarge, match=r"exceeds test 1\.0's limit of 100000"):
            await one.export(replace(LOGS, rows=wide))
        await one.export(LOGS.slice(0, 1))
    assert await program.taken() == marks(LOGS)[:1]


async def test_a_program_that_says_nothing_of_limits_is_sent_what_grpc_takes() -> None:
    error = await error_for(Program(limits={}), batch_of(Template.LOGENTRY, 8000))
    assert isinstance(error, TooLarge)
    assert str(4 << 20) in str(error)


async def test_after_a_lost_stream_all_is_agreed_upon_anew() -> None:
    """It may be another program by now."""
    async with running(Program()) as program, adapter(program) as one:
        await one.export(LOGS)
        await program.behave(Behaviour.UNREACHABLE)
        with pytest.raises(Retry):
            await one.export(LOGS)
        program.versions = (9,)
        await program.behave(Behaviour.WORK)
        with pytest.raises(Retry, match="speaks protocol versions 9"):
            await one.export(LOGS)


def secured(folder: Path, name: str = "program") -> grpc.ServerCredentials:
    read = {file: (folder / file).read_bytes() for file in (f"{name}.key", f"{name}.pem", "ca.pem")}
    return grpc.ssl_server_credentials([(read[f"{name}.key"], read[f"{name}.pem"])], read["ca.pem"], True)


async def test_certificates_that_change_are_taken_up(tmp_path: Path) -> None:
    """First a certificate of a strange authority: refused; then the right one, without a restart."""
    strange = tmp_path / "strange"
    strange.mkdir()
    authority, stranger = Authority(tmp_path), Authority(strange)
    authority.issue("program")
    stranger.issue("telemetry")
    for end in ("pem", "key"):
        (tmp_path / f"telemetry.{end}").write_bytes(stranger.read(f"telemetry.{end}"))
    tls = {
        "certificate": tmp_path / "ca.pem",
        "client_certificate": tmp_path / "telemetry.pem",
        "client_key": tmp_path / "telemetry.key",
    }
    async with running(Program(credentials=secured(tmp_path))) as program, adapter(program, **tls) as one:
        with pytest.raises(Retry):
            await one.export(LOGS)
        authority.issue("telemetry")
        await one.export(LOGS)
        (tmp_path / "telemetry.key").write_text("no key")
        await one.export(LOGS.slice(0, 2))
    assert await program.taken() == [*marks(LOGS), *marks(LOGS)[:2]]


async def test_files_that_can_not_be_used_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(StartError, match=r"ca\.pem"):
        async with Grpc(Grpc.Config(address="127.0.0.1:1", certificate=tmp_path / "ca.pem")):
            pass


@pytest.mark.parametrize(
    ("options", "secure"),
    [
        ({"address": "127.0.0.1:5"}, False),
        ({"address": "[::1]:5"}, False),
        ({"address": "unix:/run/adapter.sock"}, False),
        ({"address": "adapter.example:5"}, True),
        ({"address": "10.0.0.1:5"}, True),
        ({"address": "10.0.0.1:5", "insecure": True}, False),
    ],
)
def test_plain_text_stays_on_this_machine_unless_it_is_said_otherwise(options, secure: bool) -> None:
    assert Grpc.Config(**options).secure is secure


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "nowhere"},
        {"address": "host:0"},
        {"address": "host:99999"},
        {"address": "dns:///x:1"},
        {"address": "unix:relative"},
        {"templates": []},
        {"client_key": __file__},
        {"client_key": __file__, "client_certificate": __file__},
        {"insecure": True, "certificate": __file__},
        {"options": {"a": 1}, "secret_options": {"a": SecretStr("x")}},
    ],
)
def test_options_that_can_not_be_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Grpc.Config.model_validate({"address": "127.0.0.1:5"} | wrong)


def test_a_handler_is_offered_the_templates_of_its_option_only() -> None:
    handler = settings_class(Grpc).model_validate({"adapter": "grpc", "address": "127.0.0.1:5"})
    assert handler.accepts == {Template.LOGENTRY}
    both = {"adapter": "grpc", "address": "127.0.0.1:5", "templates": ["edge", "hop"]}
    assert settings_class(Grpc).model_validate(both).accepts == {Template.EDGE, Template.HOP}
