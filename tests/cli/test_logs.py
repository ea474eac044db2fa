"""What is logged is for people on a terminal, JSON lines otherwise, and harmless in both."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from telemetry import logs
from telemetry.printable import printable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_terminal_gets_lines_for_people_anything_else_json() -> None:
    for stream, is_json in ((Terminal(), False), (io.StringIO(), True)):
        logs.configure("info", "auto", stream)
        structlog.get_logger().info("ready", port=9901)
        assert stream.getvalue().startswith("{") is is_json
        assert "ready" in stream.getvalue()


def test_json_lines_keep_the_types_of_values() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger().warning("late", rows=3, handlers={"a": 1})
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["rows"], line["handlers"]) == ("late", "warning", 3, {"a": 1})
    assert line["timestamp"].endswith("Z")


def test_less_than_the_level_is_not_logged() -> None:
    stream = io.StringIO()
    logs.configure("warning", "json", stream)
    structlog.get_logger().info("no")
    logging.getLogger("uvicorn").info("no")
    assert stream.getvalue() == ""


def test_libraries_log_in_the_same_form() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    logging.getLogger("a.library").warning("port %d", 80)
    assert json.loads(stream.getvalue())["event"] == "port 80"


@pytest.mark.parametrize("style", ["console", "json"])
def test_what_strangers_send_cannot_command_a_terminal(style: str) -> None:
    stream = io.StringIO()
    logs.configure("info", style, stream)
    evil = "\x1b[2J\x07\x9b\x7f\u202e\n2026-01-01 [error] forged"
    log = structlog.get_logger()
    log.error("failed", exc_info=ValueError(evil))
    log.info(evil, name=evil, more=[evil])
    logging.getLogger("library").warning("%s", evil)
    assert not set(stream.getvalue()) & {"\x1b", "\x07", "\x9b", "\x7f", "\u202e"}
    assert not any(line.startswith("2026-01-01 [error] forged") for line in stream.getvalue().splitlines()[-2:])


def test_printable_text_shows_what_it_hides() -> None:
    assert printable("é\tok\n\x1b\u2028\ud800") == r"é" + "\t" + r"ok\n\x1b\u2028\ud800"
    assert printable("a\nb\r", keep_newlines=True) == "a\nb\\r"


def test_what_comes_again_and_again_is_counted_and_left_out() -> None:
    stream, now_s = io.StringIO(), [0.0]
    logs.configure("info", "json", stream, clock=lambda: now_s[0])
    for number in range(1500):
        structlog.get_logger().info("envoy connected", node=str(number))
    structlog.get_logger().info("something else")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["envoy connected"] * 1000 + ["something else"]
    now_s[0] = 61.0
    structlog.get_logger().info("envoy connected", node="again")
    assert json.loads(stream.getvalue().splitlines()[-1])["unsaid"] == 500
