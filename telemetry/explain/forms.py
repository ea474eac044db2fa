"""An entry in any form that people have it in, as the bytes that Envoy would have sent."""

from collections.abc import Iterator
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message_factory import GetMessageClass

from telemetry.errors import TelemetryError
from telemetry.explain.file_log import entry_of_fields, fields_of_line, is_file_log
from telemetry.receivers.descriptors import pool

__all__ = ["EXPECTED", "Unreadable", "messages_of"]

EXPECTED = (
    "give an entry of Envoy's file log, or protobuf's JSON form of an HTTPAccessLogEntry, TCPAccessLogEntry or "
    "StreamAccessLogsMessage"
)
"""What to do about an input in which there is no entry."""
_STREAM = "envoy.service.accesslog.v3.StreamAccessLogsMessage"
_FLAGS = "envoy.data.accesslog.v3.ResponseFlags"
_MAX_DEPTH = 64
_UNAUTHORIZED = 13

Json = dict[str, Any]


class Unreadable(TelemetryError):  # noqa: N818 - it is the input that is unreadable
    """The input is in none of the forms; the message says which there are."""


def messages_of(text: bytes) -> Iterator[bytes]:
    """Give a serialised StreamAccessLogsMessage for each entry (or message) in the text.

    Forms: protobuf's JSON form of StreamAccessLogsMessage, HTTPAccessLogEntry or TCPAccessLogEntry; objects of a file
    access log with Envoy's or Istio's usual keys; lines of Envoy's default text format. One object, an array, or one
    object or line after the other. Raises Unreadable, with the line's number, for anything else.
    """
    for number, one in _objects(text):
        try:
            message = GetMessageClass(pool().FindMessageTypeByName(_STREAM))()
            ParseDict(_as_stream(one), message, True, pool(), _MAX_DEPTH)
            yield message.SerializeToString()
        except (ParseError, ValueError, TypeError, AttributeError) as error:
            raise Unreadable(f"line {number}: {error}") from None


def _objects(text: bytes) -> Iterator[tuple[int, Json]]:
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError:
        whole = None
    if whole is not None:
        yield from ((1, _object(1, one)) for one in (whole if isinstance(whole, list) else [whole]))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _line(number, line)


def _line(number: int, line: bytes) -> Json:
    try:
        return _object(number, orjson.loads(line))
    except orjson.JSONDecodeError:
        fields = fields_of_line(line.decode(errors="replace"))
    if fields is None:
        raise Unreadable(f"line {number}: neither JSON nor Envoy's default text format; {EXPECTED}")
    return dict(fields)


def _object(number: int, value: object) -> Json:
    if not isinstance(value, dict):
        raise Unreadable(f"line {number}: a JSON object is needed, not {type(value).__name__}")
    return value


def _as_stream(one: Json) -> Json:
    """Wrap an entry into the message that carries it."""
    if {"identifier", "httpLogs", "http_logs", "tcpLogs", "tcp_logs"} & one.keys():
        return one
    if {"connectionProperties", "connection_properties"} & one.keys():
        return {"tcpLogs": {"logEntry": [one]}}
    if not {"commonProperties", "common_properties"} & one.keys() and is_file_log(one):
        one = entry_of_fields(one)
        if flags := one["commonProperties"].pop("responseFlags", None):
            one["commonProperties"]["responseFlags"] = _flags(flags["numbers"])
    elif not {"commonProperties", "common_properties"} & one.keys():
        raise ValueError("neither an access log entry in protobuf's JSON form nor one of a file log; no key is known")
    return {"httpLogs": {"logEntry": [one]}}


def _flags(numbers: list[int]) -> Json:
    fields: Any = pool().FindMessageTypeByName(_FLAGS).fields_by_number
    known: Json = {fields[number].json_name: True for number in numbers if number in fields and number != _UNAUTHORIZED}
    if _UNAUTHORIZED in numbers:
        known["unauthorizedDetails"] = {"reason": "EXTERNAL_SERVICE"}
    return known
