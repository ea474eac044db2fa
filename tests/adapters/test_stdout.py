"""What stdout writes: tables for people, JSON lines, Envoy's text lines; never what a terminal would obey."""

import asyncio
import json
import os
import pty
import re
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry.access_log_text import line_expression
from telemetry.adapters.stdout import Stdout
from telemetry.attributes import by_name
from telemetry.batch import Batch, Template
from telemetry.json_lines import SHARED, JsonLines
from telemetry.processors.contexts import CONTEXT_ATTRIBUTES
from telemetry.stream_writer import StreamWriter
from telemetry.testing import batch_of, hostile
from tests.rows import NOW_NS, logentries

UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


async def output(tmp_path: Path, *batches: Batch, **config) -> str:
    path = tmp_path / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    async with Stdout(Stdout.Config(**config), fd=fd) as adapter:
        for batch in batches:
            await adapter.export(batch)
    os.close(fd)
    return path.read_text()


async def test_where_nobody_looks_it_is_lines_of_json(tmp_path):
    batch = batch_of(Template.LOGENTRY, 3)
    rows = [json.loads(line) for line in (await output(tmp_path, batch)).splitlines()]
    assert [row["row"] for row in rows] == [0, 1, 2]
    assert rows[0]["request.time"] == "2023-11-14T22:33:54.567000000Z"
    assert rows[0]["response.duration"] == batch.rows["response.duration"][0].total_seconds()
    assert "response.blame" not in rows[0]


async def test_on_a_terminal_it_is_a_table_that_no_text_can_break():
    ours, theirs = pty.openpty()
    read = bytearray()
    reader = threading.Thread(target=lambda: read.extend(_all_of(ours)))
    reader.start()
    async with Stdout(Stdout.Config(), fd=theirs) as adapter:
        for template in Template:
            await adapter.export(hostile(template))
        await adapter.export(batch_of(Template.LOGENTRY, 101))
    os.close(theirs)
    reader.join(5)
    text = re.sub(r"\x1b\[[0-9;]*m", "", read.decode().replace("\r\n", "\n"))
    assert "and 1 more (table_rows: 100)" in text
    assert not UNSAFE.search(text)


def _all_of(fd: int) -> bytes:
    content = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:  # the other end is closed
            return content
        content += piece


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("form", ["json", "text", "table"])
async def test_hostile_text_is_escaped_in_every_format(tmp_path, template, form):
    text = await output(tmp_path, hostile(template), format=form)
    assert not UNSAFE.search(text)
    if form != "table":
        assert len(text.splitlines()) == len(hostile(template).rows)


def plain(batch: Batch) -> list[dict]:
    """The same, row by row, as nobody could mistake it."""
    identity = {
        "template": batch.template,
        "receiver": batch.receiver,
        "epoch": batch.epoch,
        "sequence": batch.sequence,
    }
    return [
        identity | {"row": number} | {name: value for name, value in row.items() if value is not None}
        for number, row in zip(batch.row_numbers.to_list(), batch.rows.iter_rows(named=True), strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 700), offset=st.integers(0, 300), template=st.sampled_from(list(Template)), again=st.booleans()
)
def test_by_columns_is_the_same_as_row_by_row(rows, offset, template, again):
    """However many rows, whatever repeats in them, and whatever the encoder remembers."""
    encoder = JsonLines()
    batch = batch_of(template, rows).slice(offset, rows)
    for _ in range(2 if again else 1):
        lines = [json.loads(line) for line in b"".join(encoder.lines(batch)).splitlines()]
    wanted = plain(batch)
    assert len(lines) == len(wanted)
    for line, row in zip(lines, wanted, strict=True):
        assert line.keys() == row.keys()
        texts = {
            name for name, dtype in batch.rows.schema.items() if dtype in (pl.String, pl.Boolean) or dtype.is_integer()
        }
        assert all(line[name] == row[name] for name in texts & line.keys())


def test_an_encoder_does_not_mistake_one_batchs_context_for_anothers():
    encoder = JsonLines()
    for name in ("one", "two"):
        batch = logentries(*({"source.workload.name": name, "request.id": str(at)} for at in range(600)))
        assert all(json.loads(line)["source.workload.name"] == name for line in encoder.objects(batch))


@pytest.mark.parametrize("distinct", [1, 3, 600])
def test_times_that_repeat_are_written_as_those_that_do_not(distinct):
    times = [NOW_NS + at % distinct for at in range(600)]
    batch = logentries(*({"request.time": time, "response.time": time if time % 2 else None} for time in times))
    for line, time in zip(JsonLines().objects(batch), times, strict=True):
        text = f"2023-11-14T22:13:20.{time - NOW_NS:09d}Z"
        row = json.loads(line)
        assert (row["request.time"], row.get("response.time")) == (text, text if time % 2 else None)


def test_columns_taken_for_shared_are_those_that_a_context_has():
    assert set(CONTEXT_ATTRIBUTES) >= SHARED


LINE = {
    "request.time": NOW_NS,
    "request.method": "GET",
    "request.path": "/a?b=c",
    "request.protocol_version": "HTTP/2",
    "response.code": 200,
    "response.duration": 12_999_999,
    "response.size": 5,
    "request.host": "reviews:9080",
    "upstream.ip": "::1",
    "upstream.port": 80,
    "request.headers": [{"key": "x-tenant", "value": "acme"}],
}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%START_TIME%", "2023-11-14T22:13:20.000Z"),
        ("%START_TIME(%Y/%m/%d %6f)%", "2023/11/14 000000"),
        ("%REQ(:METHOD)% %REQ(:PATH):4%", "GET /a?b"),
        ("%REQ(X-TENANT)% %REQ(X-OTHER?X-TENANT)% %REQ(X-OTHER)%", "acme acme -"),
        ("%RESPONSE_CODE% %DURATION% %BYTES_SENT% %BYTES_RECEIVED%", "200 12 5 0"),
        ("%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_ADDRESS%", "[::1]:80 -"),
        ("100%% of %PROTOCOL%", "100% of HTTP/2"),
    ],
)
def test_envoys_operators_write_what_envoy_writes(text, line):
    assert logentries(LINE).rows.select(line_expression(text)).item() == line


@pytest.mark.parametrize(
    ("text", "fault"),
    [("%REQUEST_ID%", "there are: "), ("50% off", "write %%"), ("%START_TIME(%Q)%", "not a format of time")],
)
def test_an_operator_that_attributes_do_not_carry_is_refused_at_start(text, fault):
    with pytest.raises(ValidationError, match=re.escape(fault)):
        Stdout.Config(format="text", text_format=text)


def test_every_operator_stands_for_an_attribute_that_is_there():
    for name in line_expression("%UPSTREAM_CLUSTER% %STREAM_ID% %TRACE_ID% %ROUTE_NAME%").meta.root_names():
        assert by_name(name)


async def refused_in_time(*writes: Coroutine[Any, Any, None]) -> None:
    """Ask for writes together, and give up on them as delivery does at its deadline."""

    async def one(write: Coroutine[Any, Any, None]) -> None:
        with pytest.raises((TimeoutError, BlockingIOError)):
            await asyncio.wait_for(write, 0.02)

    await asyncio.gather(*(one(write) for write in writes))


async def test_batches_that_wait_together_for_a_reader_that_hangs_wait_once_each():
    ours, theirs = os.pipe()
    writer = StreamWriter(theirs)
    large = {name: [name * 50_000 + b"\n"] * 4 for name in (b"a", b"b", b"c")}
    for _ in range(5):
        await refused_in_time(*(writer.write(name, lambda lines=lines: iter(lines)) for name, lines in large.items()))
    assert len(writer) == 3
    reading = asyncio.create_task(asyncio.to_thread(_all_of_pipe, ours))
    await asyncio.gather(*(writer.write(name, lambda lines=lines: iter(lines)) for name, lines in large.items()))
    assert len(writer) == 0
    writer.close()
    os.close(theirs)
    assert await asyncio.wait_for(reading, 5) == b"".join(line for lines in large.values() for line in lines)


async def test_a_line_that_was_broken_off_is_ended_before_another_begins():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    writer = StreamWriter(theirs)
    long, short = b"a" * 100_000 + b"\n", b"b\n"
    with pytest.raises(BlockingIOError):
        await writer.write("long", lambda: iter([long]))
    with pytest.raises(BlockingIOError):
        await writer.write("short", lambda: iter([short]))
    read = os.read(ours, 1 << 20)
    await writer.write("short", lambda: iter([short]))
    await writer.write("long", lambda: iter([long]))
    writer.close()
    os.close(theirs)
    assert read + _all_of_pipe(ours) == long + short


async def test_what_cannot_be_encoded_fails_alone_and_is_not_written_twice_when_it_can():
    ours, theirs = os.pipe()
    writer = StreamWriter(theirs)
    tries = iter((2, 0))

    def lines() -> Iterator[bytes]:
        yield b"first\n"
        1 / (2 - next(tries))
        yield b"second\n"

    with pytest.raises(ZeroDivisionError):
        await writer.write("lines", lines)
    await writer.write("other", lambda: iter([b"other\n"]))
    await writer.write("lines", lines)
    assert len(writer) == 0
    writer.close()
    os.close(theirs)
    assert _all_of_pipe(ours) == b"first\nother\nsecond\n"


async def test_failures_that_nobody_asks_for_again_are_forgotten():
    writer = StreamWriter(os.open("/dev/full", os.O_WRONLY))
    for number in range(50):
        with pytest.raises(OSError, match="No space"):
            await writer.write(number, lambda: iter([b"line\n"]))
    assert len(writer) < 20
    writer.close()


def _all_of_pipe(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()
