"""The InfluxDB adapter beside the contract: lines, times, answers, and what it refuses at the start."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb_client import Point
from pydantic import SecretStr, ValidationError

from telemetry.adapters.influxdb import InfluxDB
from telemetry.batch import Batch, Template
from telemetry.errors import Partial, Rejected, Retry, TooLarge
from telemetry.line_protocol.lines import lines_of
from telemetry.line_protocol.points import plan_of
from telemetry.testing import batch_of
from tests.adapters.influx_sink import InfluxSink, parse, running

URL = "http://127.0.0.1:8086"


def points(batch: Batch):
    names = {Template.LOGENTRY: "logentry", Template.EDGE: "edge"}
    return parse("\n".join(lines_of(batch, plan_of(batch.template), names.get(batch.template))))


def labelled(name: str, value: str) -> Batch:
    batch = batch_of(Template.METRIC, 1)
    labels = pl.struct(pl.col("labels").struct.field("mark"), pl.lit(value).alias(name)).alias("labels")
    return replace(batch, rows=batch.rows.with_columns(labels, metric=pl.lit(name)))


# Lines --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.text(st.characters(exclude_categories=("Cs",)))
)
def test_any_name_and_value_is_read_back_as_it_was(name: str, value: str) -> None:
    if name in ("mark", "receiver"):
        return
    ((measurement, tags, _, _),) = points(labelled(name, value))
    assert measurement == name
    expected = {"mark": "1-0", "receiver": "receiver-0", **({name: value} if value else {})}
    assert tags == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_is_read_back_from_a_field(text: str) -> None:
    batch = batch_of(Template.LOGENTRY, 2)
    ((_, _, fields, _), _) = points(replace(batch, rows=batch.rows.with_columns(pl.lit(text).alias("request.path"))))
    assert fields["request.path"] == text


@pytest.mark.parametrize("text", ["plain", "with space", "a,b=c", 'say "x"'])
def test_what_needs_no_percent_is_written_as_influxs_own_client_writes_it(text: str) -> None:
    batch = batch_of(Template.LOGENTRY, 1)
    changed = batch.rows.with_columns(
        pl.lit(text).alias("request.path"), pl.lit(text).alias("destination.workload.name")
    )
    plan = plan_of(Template.LOGENTRY, ("destination.workload.name",), ("request.path",))
    (line,) = lines_of(replace(batch, rows=changed), plan, text)
    theirs = Point(text).tag("destination.workload.name", text).tag("receiver", "receiver-0")
    theirs = theirs.field("epoch", batch.epoch).field("request.path", text).field("row", 0).field("sequence", 1)
    theirs = theirs.time(int(line.rsplit(" ", 1)[1]))
    assert parse(line) == parse(theirs.to_line_protocol())


def test_a_label_named_as_our_own_tag_has_precedence() -> None:
    ((_, tags, _, _),) = points(labelled("receiver", "theirs"))
    assert tags == {"mark": "1-0", "receiver": "theirs"}


def test_what_influxdb_can_not_hold_is_left_out() -> None:
    batch = batch_of(Template.EDGE, 4)
    numbers = pl.Series("requests", [1, 2**63 - 1, 2**63, None], dtype=pl.UInt64)
    changed = batch.rows.with_columns(numbers, pl.Series("busy_s", [float("nan"), float("inf"), None, 0.5]))
    found = points(replace(batch, rows=changed))
    assert [fields.get("requests") for _, _, fields, _ in found] == [1, 2**63 - 1, None, None]
    assert [fields.get("busy_s") for _, _, fields, _ in found] == [None, None, None, 0.5]


def test_a_histogram_has_sum_count_and_how_many_were_not_above_each_bound() -> None:
    batch = batch_of(Template.METRIC, 6)
    row = next(row for row in batch.rows.iter_rows(named=True) if row["kind"] == "histogram")
    fields = next(fields for _, _, fields, _ in points(batch) if "sum" in fields)
    assert (fields["sum"], fields["count"]) == (row["value"], row["count"])
    bounds = [*(f"le_{bound:.15g}" for bound in row["bounds"]), "le_inf"]
    assert [fields[name] for name in bounds] == [sum(row["buckets"][: at + 1]) for at in range(len(bounds))]
    assert "value" not in fields


def identities(batch: Batch) -> Iterator[tuple[str, frozenset[tuple[str, str]], int]]:
    for name, tags, _, time in points(batch):
        yield name, frozenset(tags.items()), time


def test_rows_of_one_series_and_one_time_are_points_of_their_own_and_the_same_when_they_come_again() -> None:
    batch = batch_of(Template.LOGENTRY, 3000)
    alike = batch.rows.with_columns(pl.col(name).first() for name in batch.rows.columns if name != "request.id")
    first = replace(batch, rows=alike)
    second = replace(first, sequence=2)
    whole = list(identities(first))
    assert len({*whole, *identities(second)}) == 6000
    assert list(identities(first.slice(100, 7))) == whole[100:107]
    assert all(time // 10**6 == whole[0][2] // 10**6 for _, _, time in whole)


# Answers ------------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def sink():
    async with running(InfluxSink()) as sink:
        yield sink


async def export(sink: InfluxSink, batch: Batch, **options) -> None:
    chosen = {"api": "v3", "database": "mesh", **options}
    async with InfluxDB(InfluxDB.Config(url=sink.url, **chosen)) as adapter:
        await adapter.export(batch)


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (400, {"error": "field type conflict dropped=1"}, TooLarge, "field type conflict"),
        (422, {"message": "outside retention"}, TooLarge, "outside retention"),
        (413, "", TooLarge, "max_lines"),
        (401, {"message": "unauthorized"}, Retry, "token"),
        (403, "", Retry, "may this token"),
        (404, {"error": "database not found"}, Retry, "been created"),
        (302, "", Retry, "is this InfluxDB"),
        (500, "\x1b[31m" + "x" * 3_000_000, Retry, "is it well"),
        (400, [1, 2], TooLarge, "smaller parts"),
        (400, {"error": "x", "data": [{"line_number": "2"}, 7, {"line_number": 99}]}, TooLarge, "smaller parts"),
    ],
)
async def test_an_answer_says_what_becomes_of_the_rows(sink, status, body, error, text) -> None:
    sink.answer = (
        web.Response(status=status, text=body) if isinstance(body, str) else web.json_response(body, status=status)
    )
    with pytest.raises(error, match=text) as raised:
        await export(sink, batch_of(Template.EDGE))
    assert len(str(raised.value)) < 600
    assert "\x1b" not in str(raised.value)


async def test_a_row_alone_that_is_refused_is_refused_for_good(sink) -> None:
    sink.answer = web.json_response({"error": "no"}, status=400)
    with pytest.raises(Rejected, match="schema or retention") as raised:
        await export(sink, batch_of(Template.EDGE, 1))
    assert not isinstance(raised.value, TooLarge)


async def test_a_pause_that_influxdb_asks_for_is_passed_on(sink) -> None:
    sink.answer = web.Response(status=429, headers={"retry-after": "17"})
    with pytest.raises(Retry) as raised:
        await export(sink, batch_of(Template.EDGE))
    assert raised.value.after_s == 17


async def test_lines_that_v3_left_out_are_rows_by_their_positions(sink) -> None:
    data = [{"line_number": 2, "error_message": "bad\nline"}]
    sink.answer = web.json_response({"error": "partial write", "data": data}, status=400)
    with pytest.raises(Partial) as raised:
        await export(sink, batch_of(Template.EDGE, 5).slice(2, 3))
    assert raised.value.rejected == {1: "bad\\nline"}


@pytest.mark.parametrize(
    ("options", "query", "authorization"),
    [
        (
            {"api": "v1", "database": "d", "retention_policy": "r", "username": "u", "password": SecretStr("p")},
            {"path": "/write", "db": "d", "rp": "r", "precision": "ns"},
            "Basic dTpw",
        ),
        (
            {"api": "v2", "database": None, "bucket": "b/c", "organization": "o", "token": SecretStr("t")},
            {"path": "/api/v2/write", "bucket": "b/c", "org": "o", "precision": "ns"},
            "Token t",
        ),
        (
            {"token": SecretStr("t")},
            {"path": "/api/v3/write_lp", "db": "mesh", "precision": "nanosecond", "accept_partial": "true"},
            "Bearer t",
        ),
    ],
)
async def test_each_api_is_asked_in_its_own_way(sink, options, query, authorization) -> None:
    await export(sink, batch_of(Template.LOGENTRY), **options)
    assert sink.queries == [query]
    assert sink.headers[0]["authorization"] == authorization
    assert len(sink.points) == 6


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"api": "v1"}, "needs database"),
        ({"api": "v2"}, "needs bucket and organization"),
        ({"database": "d", "api": "v3", "tags": {"logentry": ["no.such"]}}, "no plain attributes no.such"),
        ({"database": "d", "api": "v3", "fields": {"edge": ["latency"]}}, "no plain attributes latency"),
        ({"database": "d", "api": "v3", "fields": {"metric": []}}, "metric can't be set"),
        ({"database": "d", "api": "v3", "username": "u"}, "username and password go together"),
        ({"database": "d", "api": "v3", "certificate": "pyproject.toml"}, "without https"),
        ({"database": "d", "api": "v3", "url": "http://user:secret@host"}, "holds a user name or password; give token"),
    ],
)
def test_what_does_not_fit_together_stops_the_start(options: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        InfluxDB.Config(**{"url": URL, **options})
