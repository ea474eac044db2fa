"""`telemetry tap`, as a user sees it."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner, Result

from telemetry.batch import SCHEMAS, Template
from telemetry.cli import app
from telemetry.cli.tap import Kind
from telemetry.cli.tapping import _DEFAULT, Shown
from tests.service.running import Envoy, running, until
from tests.wire import inbound, message, node


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tap", *arguments])


@contextmanager
def answering(*pieces: bytes, until: threading.Event | None = None) -> Iterator[str]:
    """A server that says just this to the first who asks, and hangs up, once it is time to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                if until is not None:
                    until.wait(30)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


async def test_rows_come_as_lines_of_json_until_the_limit():
    async with running() as service:
        envoy = Envoy(service.grpc_port)
        url = f"http://127.0.0.1:{service.http_port}"
        arguments = ("--match", "response.code == 503", "--limit", "1", "--columns", "request.path,response.code")
        watching = asyncio.create_task(asyncio.to_thread(run, *arguments, "--url", url))
        await until(lambda: Template.LOGENTRY in service._composition.tapped)
        await envoy.send(message(inbound(200), inbound(503, path="/a?b=\x1b[2J"), sender=node()))
        result = await watching
        await envoy.end()
    assert result.exit_code == 0, result.output
    [row] = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]  # the service logs
    assert {name: row[name] for name in ("request.path", "response.code")} == {
        "request.path": "/a", "response.code": 503,
    }  # fmt: skip
    assert "2 seen, 1 matched, 1 shown, 0 sampled out, 0 dropped" in result.stderr


async def test_a_wrong_expression_is_shown_with_its_place_and_exit_code_2():
    async with running() as service:
        url = f"http://127.0.0.1:{service.http_port}"
        result = await asyncio.to_thread(run, "--match", "response.kode == 503", "--url", url)
    assert result.exit_code == 2
    assert "there is no attribute response.kode\n  response.kode == 503\n  ^\n" in result.stderr


async def test_a_service_that_stops_is_said_with_exit_code_1():
    async with running() as service:
        url = f"http://127.0.0.1:{service.http_port}"
        watching = asyncio.create_task(asyncio.to_thread(run, "--url", url))
        await until(lambda: Template.LOGENTRY in service._composition.tapped)
    result = await watching
    assert (result.exit_code, "went away: the service is stopping" in result.stderr) == (1, True)


def test_a_service_that_dies_is_said_with_exit_code_1():
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with answering(head, b'10\r\n{"tap":{"seen":1') as url:
        result = run("--url", url)
    assert (result.exit_code, "went away; it may have been stopped" in result.stderr) == (1, True)


def test_another_programs_address_is_told_apart():
    with answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nwhat") as url:
        result = run("--url", url)
    assert (result.exit_code, "answered 404" in result.stderr) == (1, True)


@pytest.mark.parametrize(("url", "code"), [("http://127.0.0.1:1", 1), ("127.0.0.1:9902", 2)])
def test_an_address_where_nobody_answers_is_told_with_what_to_do(url, code):
    result = run("--url", url)
    assert (result.exit_code, "see --url" in result.stderr.lower()) == (code, True), result.stderr


def test_what_a_hostile_service_says_does_not_reach_the_terminal():
    body = b'{"request.path": "\x1b[2J\x9b"}\n{"tap": {"end": "limit"}}\n'.replace(b'{"tap": ', b'{"tap":')
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with answering(head, body) as url:
        result = run("--url", url)
    assert "\x1b" not in result.stdout
    assert result.exit_code == 0


def test_on_a_terminal_rows_are_a_table_with_a_heading(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    shown = Shown("logentry", [], as_json=False)
    row = {"context.time": "2026-11-21T12:34:56.789012345Z", "response.code": 503, "request.url_path": "/\x1b[2Jcart"}
    shown.row(json.dumps(row))
    shown.count({"seen": 9, "dropped": 3})
    shown.sum_up()
    heading, line = (text for text in capsys.readouterr().out.splitlines() if text.strip())
    assert heading.split()[:1] == ["context.time"]
    assert "12:34:56.789" in line
    assert "503" in line
    assert "\\x1b[2Jcart" in line


def test_what_was_dropped_is_said_on_standard_error(capsys):
    shown = Shown("logentry", [], as_json=True)
    shown.count({"seen": 9, "dropped": 3})
    shown.count({"seen": 19, "dropped": 5})
    shown.sum_up()
    first, last = capsys.readouterr().err.splitlines()
    assert "some are dropped" in first
    assert last.endswith("5 dropped")


def test_rows_since_the_last_count_are_counted_at_the_end(capsys):
    shown = Shown("logentry", [], as_json=True)
    shown.count({"seen": 3, "matched": 1, "shown": 1})
    for _ in range(4):
        shown.row("{}")
    shown.sum_up()
    assert "rows: 4 seen, 4 matched, 4 shown, 0 sampled out, 0 dropped" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_ctrl_c_does_with_what_was_shown(number):
    body = b'{"request.path": "/a"}\n{"request.path": "/b"}\n'
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    ended = threading.Event()
    with answering(head, b"%x\r\n%b\r\n" % (len(body), body), until=ended) as url:
        command = [sys.executable, "-m", "telemetry", "tap", "--url", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            lines = [watching.stdout.readline() for _ in range(2)]
            watching.send_signal(number)
            _, said = watching.communicate(timeout=20)
            ended.set()
    assert [json.loads(line)["request.path"] for line in lines] == ["/a", "/b"]
    assert (watching.returncode, "2 shown, 0 sampled out, 0 dropped" in said) == (0, True), said


def test_every_template_can_be_watched_and_its_default_columns_are_there():
    assert {kind.value for kind in Kind} == {template.value for template in Template} == set(_DEFAULT)
    for template, columns in _DEFAULT.items():
        assert set(columns) <= set(SCHEMAS[Template(template)])
