"""Headers that nobody reads stay where expressions find them; those that somebody reads are columns."""

import re
from pathlib import Path

from telemetry.config import AccessLogSettings, Settings
from telemetry.processors.read_headers import READ, to_read

PROCESSORS = Path(__file__).parents[2] / "telemetry" / "processors"


def test_every_header_that_is_read_is_among_them() -> None:
    sources = "".join(path.read_text() for path in PROCESSORS.glob("*.py"))
    named = set(re.findall(r"(?:request_headers|response_headers|response_trailers)\.([:a-z][a-z0-9-]+)", sources))
    named |= set(re.findall(r'_logged\(rows, "([a-z0-9-]+)"\)', sources))
    assert named == READ


def test_the_defaults_are_headers_that_are_read() -> None:
    logs = Settings().receiver.access_logs
    for headers in (logs.request_headers, logs.response_headers, logs.response_trailers):
        assert to_read(headers) == headers


def test_who_names_a_header_keeps_those_that_attributes_are_made_of() -> None:
    logs = AccessLogSettings(request_headers=("x-team", "traceparent"), response_headers=("x-cost",))
    assert logs.request_headers == (*AccessLogSettings().request_headers, "x-team")
    assert logs.response_headers == ("grpc-status", "x-cost")
    assert logs.response_trailers == ("grpc-status",)
    assert to_read(logs.request_headers) == AccessLogSettings().request_headers


def test_only_those_named_are_read_where_it_is_said() -> None:
    logs = AccessLogSettings(only_named=True, request_headers=("x-team", ":method"), response_trailers=())
    assert (logs.request_headers, logs.response_trailers) == (("x-team", ":method"), ())
    assert AccessLogSettings(request_headers=()).request_headers == ()
    assert AccessLogSettings(only_named=True) == AccessLogSettings(only_named=True, response_headers=("grpc-status",))


def test_any_other_header_stays_in_its_list() -> None:
    assert to_read((":method", "x-team")) == (":method",)
