"""The rest of the native decoder's contract: all columns of the docs, order, nodes, and the GIL."""

import re
import sys
import threading
import time
from pathlib import Path

import polars as pl

from telemetry.native import decode_access_logs
from tests.native.decoding import decode, rows
from tests.native.specification import ADDRESSES, Asked
from tests.native.wire import field, http_entry, http_message, named

DOCS = Path(__file__).parent.parent.parent / "docs" / "columns.md"


def test_the_docs_name_every_column() -> None:
    text = DOCS.read_text()
    ends = [f"<c>_{it}" for it in ("uri_sans", "dns_sans", "subject", "issuer")]
    documented = set(re.findall(r"`([a-z0-9_.<>]+)`", text))
    for end in ("local", "peer"):
        documented |= {f"tls_{end}_{it.removeprefix('<c>_')}" for it in ends}
    for address in ADDRESSES:
        documented |= {f"{address}_address", f"{address}_port"}
    assert set(decode([]).rows.column_names) <= documented


def test_what_is_asked_for_becomes_columns_and_leaves_the_lists() -> None:
    def header(number: int, key: bytes) -> bytes:
        return field(number, field(1, key) + field(2, b"value"))

    entry = http_entry(
        common=field(21, field(1, b"a") + field(2, field(1, b"type") + field(2, b"state"))) + field(21, field(1, b"b")),
        request=header(13, b"a") + header(13, b"b"),
        response=header(4, b"a") + header(5, b"a") + header(5, b"b"),
    )
    [row] = rows(decode([http_message([entry])], asked=Asked(("a", "c"), ("a",), ("a",), ("a",))))
    assert row["filter_state.a"] == field(1, b"type") + field(2, b"state")
    assert row["filter_state_objects"] == [{"key": "b", "type_url": "", "value": b""}]
    assert (row["request_headers.a"], row["request_headers.c"]) == ("value", None)
    assert row["request_headers"] == [{"key": "b", "value": "value"}]
    assert (row["response_headers.a"], row["response_headers"]) == ("value", None)
    assert (row["response_trailers.a"], row["response_trailers"]) == ("value", [{"key": "b", "value": "value"}])


def test_rows_keep_the_order_and_the_node_of_their_messages() -> None:
    messages = [http_message(named(f"{number}.{index}") for index in range(number)) for number in range(5)]
    decoded = decode(messages, [2**32 - 1, 1, 0, 1, 7])
    found = [(row["node"], row["stream_id"]) for row in rows(decoded)]
    nodes = (2**32 - 1, 1, 0, 1, 7)
    assert found == [(nodes[number], f"{number}.{index}") for number in range(5) for index in range(number)]


def test_polars_takes_the_table_without_a_word() -> None:
    frame = pl.DataFrame(decode([http_message([named("a"), named("b")])]).rows.select(["node", "stream_id"]))
    assert frame.rows() == [(0, "a"), (0, "b")]


def test_other_threads_run_while_messages_are_decoded() -> None:
    messages, nodes = [http_message(named(str(number)) for number in range(20_000))] * 10, [0] * 10
    state, seen, go = "outside", [], threading.Semaphore(0)

    def look() -> None:
        while go.acquire() and not seen.count("inside"):
            seen.append(state)

    interval = sys.getswitchinterval()
    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    # Nobody is made to give up the GIL now: the other thread sees "inside" only if decoding lets it go.
    sys.setswitchinterval(1000)
    try:
        deadline = time.monotonic() + 60
        while "inside" not in seen and time.monotonic() < deadline:
            state = "inside"
            go.release()
            decode_access_logs(messages, nodes)
            state = "outside"
    finally:
        sys.setswitchinterval(interval)
        go.release()
    assert "inside" in seen
