"""Whatever the bytes, the native decoder never raises, counts what it leaves out, and keeps the neighbours."""

import pytest
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.columns import split
from telemetry.native import Decoded, decode_access_logs, inspect
from tests.native import strategies
from tests.native.decoding import decode, rows
from tests.native.wire import UNKNOWN_FIELDS, field, http_entry, http_message, named

GOOD = http_message([named("good")])


def stream_ids(decoded: Decoded) -> list[str]:
    return [row["stream_id"] for row in rows(decoded)]


def nested(depth: int) -> bytes:
    """Give a Struct with Structs within each other."""
    struct = b""
    for _ in range(depth - 1):
        struct = field(1, field(1, b"a") + field(2, field(5, struct)))
    return struct


def with_metadata(struct: bytes) -> bytes:
    return http_entry(common=field(17, field(1, field(1, b"namespace") + field(2, struct))))


BAD_ENTRIES = {
    "cut short": (b"\x0a\x05ab", "malformed_entry"),
    "an endless varint": (http_entry(common=b"\xe8\x01" + b"\xff" * 11), "malformed_entry"),
    "field zero": (http_entry(request=b"\x00\x01"), "malformed_entry"),
    "a group that does not end": (http_entry(response=b"\x0b"), "malformed_entry"),
    "a malformed address": (http_entry(common=field(2, field(1, b"\x12\x09"))), "malformed_entry"),
    "malformed TLS properties": (http_entry(common=field(4, b"\x1a\x09")), "malformed_entry"),
    "a malformed time": (http_entry(common=field(5, b"\x08")), "malformed_entry"),
    "a malformed header": (http_entry(request=field(13, b"\x0a\x09")), "malformed_entry"),
    "malformed filter state": (http_entry(common=field(21, field(2, b"\x0a\x09"))), "malformed_entry"),
    "malformed metadata": (with_metadata(b"\x0a\x09"), "malformed_entry"),
    "no common properties": (field(3, b""), "no_common_properties"),
    "nothing": (b"", "no_common_properties"),
    "deep groups": (http_entry(common=b"\x0b" * 10_000), "too_deep"),
    "deep metadata": (with_metadata(nested(10_000)), "too_deep"),
}


@pytest.mark.parametrize(("entry", "reason"), BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_a_bad_entry_is_counted_and_its_neighbours_survive(entry: bytes, reason: str) -> None:
    decoded = decode([http_message([named("before"), entry, named("after")]), GOOD])
    assert stream_ids(decoded) == ["before", "after", "good"]
    assert decoded.rejected == {reason: 1}
    assert decoded.repaired == {}


@pytest.mark.parametrize("rest", [b"\x12\x09", b"\x12", b"\x00", b"\xff" * 11, field(2, b"\x0a\x09"), b"\x0c"])
def test_what_came_before_the_break_in_a_message_stays(rest: bytes) -> None:
    decoded = decode([http_message([named("before")]) + rest, GOOD])
    assert stream_ids(decoded) == ["before", "good"]
    assert decoded.rejected == {"malformed_message": 1}


def test_a_bad_entry_leaves_no_trace_in_dictionaries() -> None:
    bad = http_entry(common=field(15, b"secret") + field(4, field(3, b"secret")), request=b"\x00")
    decoded = decode([http_message([bad, named("good")])])
    assert stream_ids(decoded) == ["good"]
    assert all(values.is_empty() for values in split(decoded.rows).dictionaries.values())


def test_nesting_as_deep_as_allowed_is_kept() -> None:
    assert decode([http_message([with_metadata(nested(32))])]).rejected == {}
    assert decode([http_message([with_metadata(nested(33))])]).rejected == {"too_deep": 1}


def test_bytes_that_are_not_utf8_are_replaced_and_their_entries_counted() -> None:
    certificate = field(1, field(1, b"spiffe://\xff")) + field(2, b"\xff")
    common = b"".join(
        [
            field(2, field(1, field(2, b"host\xff"))),
            field(4, field(3, b"sni\xff") + field(5, certificate)),
            field(15, b"cluster\xff"),
            field(17, field(1, field(1, b"ns\xff") + field(2, b""))),
            field(22, field(1, b"tag\xff") + field(2, b"\xff")),
        ]
    )
    entry = http_entry(common, request=field(5, b"/\xff"), response=field(6, b"details\xff"))
    decoded = decode([http_message([entry, entry, named("good")])])
    bad, same, _ = rows(decoded)
    assert decoded.repaired == {"invalid_utf8": 2}
    assert bad == same
    assert bad["downstream_remote_address"] == "host\ufffd"
    assert bad["tls_sni_hostname"] == "sni\ufffd"
    assert bad["tls_peer_uri_sans"] == "spiffe://\ufffd"
    assert bad["upstream_cluster"] == "cluster\ufffd"
    assert bad["dynamic_metadata"] == {"ns\ufffd": {}}
    assert bad["custom_tags"] == [{"key": "tag\ufffd", "value": "\ufffd"}]
    assert bad["path"] == "/\ufffd"
    assert bad["response_code_details"] == "details\ufffd"


def test_a_time_beyond_int64_is_null_and_its_entry_counted() -> None:
    entry = http_entry(common=field(5, field(1, 2**40)) + field(6, field(1, 2**62)) + field(23, field(1, 1)))
    decoded = decode([http_message([entry])])
    [row] = rows(decoded)
    assert decoded.repaired == {"time_out_of_range": 1}
    assert (row["start_time_ns"], row["time_to_last_rx_byte_ns"], row["duration_ns"]) == (None, None, 10**9)


def test_a_known_field_of_another_wire_type_is_an_unknown_field() -> None:
    common = field(15, 7) + field(16, field(13, 1) + field(2, b"")) + field(29, b"abc") + field(26, b"id")
    [row] = rows(decode([http_message([http_entry(common)])]))
    assert (row["upstream_cluster"], row["response_flags"], row["unauthorized_reason"]) == (None, 0, None)
    assert (row["downstream_wire_bytes_sent"], row["stream_id"]) == (0, "id")


def test_flags_that_our_proto_does_not_know_are_kept() -> None:
    flags = field(29, 1) + field(64, 1) + field(65, 1) + field(1, 1) + field(1, 0)
    [row] = rows(decode([http_message([http_entry(common=field(16, flags))])]))
    assert row["response_flags"] == 1 << 28 | 1 << 63


def test_both_kinds_of_entries_in_one_message_are_kept() -> None:
    message = http_message([named("http")]) + field(3, field(1, named("tcp")))
    assert [(row["stream_id"], row["tcp"]) for row in rows(decode([message]))] == [("http", False), ("tcp", True)]


def test_maps_keep_the_order_of_the_wire_and_the_last_of_equal_keys() -> None:
    tags = [(b"z", b"1"), (b"a", b"2"), (b"z", b"3")]
    common = b"".join(field(22, field(1, key) + field(2, value)) for key, value in tags)
    column = decode([http_message([http_entry(common)])]).rows.column("custom_tags")
    assert [scalar.as_py() for scalar in column] == [[{"key": "z", "value": "3"}, {"key": "a", "value": "2"}]]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.messages)
def test_unknown_fields_are_tolerated_everywhere(message: StreamAccessLogsMessage) -> None:
    plain = rows(decode([message.SerializeToString()]))
    for entry in (*message.http_logs.log_entry, *message.tcp_logs.log_entry):
        parts = [part for descriptor, part in entry.ListFields() if descriptor.message_type]
        inner = [
            part
            for whole in parts
            for descriptor, part in whole.ListFields()
            if descriptor.message_type and not descriptor.is_repeated
        ]
        for part in (entry, *parts, *inner):
            part.MergeFromString(UNKNOWN_FIELDS)
    message.MergeFromString(UNKNOWN_FIELDS)
    decoded = decode([message.SerializeToString()])
    assert rows(decoded) == plain
    assert not decoded.rejected.keys() - {"no_common_properties"}


@settings(max_examples=300, deadline=None)
@given(st.binary())
def test_random_bytes_never_raise(junk: bytes) -> None:
    for message in (junk, field(2, junk), field(3, junk), http_message([junk]), http_message([http_entry(junk)])):
        assert stream_ids(decode([message, GOOD]))[-1] == "good"
        inspect(message)
        inspect(field(1, message))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(strategies.messages, st.data())
def test_a_damaged_message_harms_no_other(message: StreamAccessLogsMessage, data: st.DataObject) -> None:
    damaged = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        gone = data.draw(st.integers(0, 3))
        damaged[at : at + gone] = data.draw(st.binary(max_size=3))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    decoded = decode([GOOD, bytes(damaged), GOOD])
    assert (stream_ids(decoded)[0], stream_ids(decoded)[-1]) == ("good", "good")
    assert decoded.rows.num_rows - 2 <= inspect(bytes(damaged))[1]


def test_as_many_nodes_as_messages_are_needed() -> None:
    with pytest.raises(ValueError, match="2 messages but 1 nodes"):
        decode_access_logs([b"", b""], [0])


def test_a_name_asked_for_twice_is_refused() -> None:
    with pytest.raises(ValueError, match='request_headers names "a" twice'):
        decode_access_logs([], [], request_headers=["a", "a"])


def test_no_messages_give_no_rows_but_all_columns() -> None:
    empty, full = decode([]), decode([GOOD])
    assert empty.rows.num_rows == 0
    assert empty.rows.schema == full.rows.schema
