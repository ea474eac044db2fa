"""Protobuf's wire format by hand, to write what its classes refuse to."""

from collections.abc import Iterable

from envoy.data.accesslog.v3 import accesslog_pb2 as als

UNKNOWN_FIELDS = (
    b"\xc0\x3e\x96\x01"  # 1000: varint
    b"\xc1\x3e12345678"  # 1000: 64 bits
    b"\xc2\x3e\x03abc"  # 1000: bytes
    b"\xc3\x3e\xc3\x3e\x08\x01\xc4\x3e\xc4\x3e"  # 1000: a group in a group
    b"\xc5\x3e1234"  # 1000: 32 bits
)


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: bytes | int) -> bytes:
    """Give a field: bytes, or a message's bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def http_message(entries: Iterable[bytes]) -> bytes:
    return field(2, b"".join(field(1, entry) for entry in entries))


def http_entry(common: bytes = b"", request: bytes = b"", response: bytes = b"") -> bytes:
    return field(1, common) + field(3, request) + field(4, response)


def named(stream_id: str) -> bytes:
    """Give a good entry that can be told from others."""
    common = als.AccessLogCommon(stream_id=stream_id)
    return als.HTTPAccessLogEntry(common_properties=common).SerializeToString()
