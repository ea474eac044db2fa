"""LOGENTRY batches as google.logging.v2.WriteLogEntriesRequest: by columns, what repeats once for each context.

https://github.com/googleapis/googleapis/blob/master/google/logging/v2/log_entry.proto and logging.proto.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import polars as pl

from telemetry.batch import Batch
from telemetry.cloud_entries.columns import (
    CLIENT,
    HTTP,
    LABELS,
    LOG_NAME,
    PAYLOAD,
    POD,
    REPORTER,
    REQUEST,
    SHARED_LABELS,
    TIME,
    TRACE,
)
from telemetry.cloud_entries.options import Options
from telemetry.cloud_entries.pieces import Labels, Texts, label, moments, numbers, present
from telemetry.wire import Heads, delimited, messages, varint_field

__all__ = ["LONGEST_ENTRY_BYTES", "LONGEST_TEXT", "Entries", "Request"]

LONGEST_ENTRY_BYTES = 256_000
"""https://cloud.google.com/logging/quotas: 256 KB a LogEntry, approximately; we count what goes over the wire."""
LONGEST_TEXT = 16_384
"""Characters of any one value; the rest is cut off, and the entry says so by the label `truncated`."""

_PAYLOAD, _INSERT_ID, _HTTP, _RESOURCE, _TIMESTAMP, _SEVERITY, _LABELS, _LOG_NAME = 3, 4, 7, 8, 9, 10, 11, 12
_TRACE, _SPAN_ID, _SAMPLED = 22, 27, 30
_REQUEST_SIZE, _STATUS, _RESPONSE_SIZE, _LATENCY = 3, 4, 5, 14
_PARTIAL_SUCCESS = varint_field(5, 1)
_ENTRY = Heads(4)
_INFO, _ERROR = varint_field(_SEVERITY, 200), varint_field(_SEVERITY, 500)
_MOST = (1 << 63) - 1

# As Istio's: a code from 400 on, or any of Envoy's flags.
_FAILED = (pl.col("response.code").fill_null(0) >= 400) | (pl.col("context.proxy_error_code").fill_null("-") != "-")


@dataclass(frozen=True, slots=True)
class Request:
    """A request's bytes; `positions`: which row each entry is; `refused`: rows that no request can carry, and why."""

    body: bytes
    positions: list[int]
    refused: dict[int, str]


class Entries:
    """Encodes LOGENTRY batches. Not for several threads at once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._traces = f"projects/{options.project}/traces/"
        own = {"mesh_uid": options.mesh_uid} if options.mesh_uid else {}
        self._constant = {**own, **options.labels}
        # Of two equal keys in a map the last would win: what the operator said goes alone.
        self._shared = {key: value for key, value in SHARED_LABELS.items() if key not in self._constant}
        self._labels = {key: Labels(_LABELS, key) for key in LABELS if key not in self._constant}
        self._request = {field: Texts(field) for field in REQUEST}
        self._trace, self._span, self._payload = Texts(_TRACE), Texts(_SPAN_ID), Texts(_PAYLOAD)
        self._http, self._body = Heads(_HTTP), Heads(4)

    def encode(self, batch: Batch) -> Request:
        """Give the request, in the rows' order; an entry that exceeds Google's limit is left out of it."""
        entries = messages(_ENTRY, list(self._parts(batch)))
        refused = {
            at: f"an entry of {len(entry)} bytes exceeds Cloud Logging's {LONGEST_ENTRY_BYTES}, texts cut to "
            f"{LONGEST_TEXT} characters each; leave columns out by redaction, or the row by a rule"
            for at, entry in enumerate(entries)
            if len(entry) > LONGEST_ENTRY_BYTES
        }
        positions = [at for at in range(len(entries)) if at not in refused]
        return Request(b"".join([*(entries[at] for at in positions), _PARTIAL_SUCCESS]), positions, refused)

    def _parts(self, batch: Batch) -> Iterator[list[bytes]]:
        rows = batch.rows
        yield self._contexts(rows)
        shown = rows.select(
            **{f"label.{key}": LABELS[key] for key in self._labels},
            **{f"http.{field}": value for field, value in REQUEST.items()},
            **TRACE,
            payload=PAYLOAD,
            failed=_FAILED,
            http=HTTP,
            time=TIME.to_physical(),
        )
        shown, cut = _cut(shown)
        yield present(moments(_TIMESTAMP, shown["time"].fill_null(0).to_numpy()), shown["time"])
        yield [_ERROR if failed else _INFO for failed in shown["failed"].to_list()]
        yield _insert_ids(batch)
        yield from (labels.pieces(shown[f"label.{key}"]) for key, labels in self._labels.items())
        yield from self._trace_pieces(shown)
        yield self._payload.pieces(shown["payload"])
        yield self._requests(rows, shown)
        if cut is not None:
            truncated = label(_LABELS, "truncated", "true")
            yield [truncated if one else b"" for one in cut.to_list()]

    def _trace_pieces(self, shown: pl.DataFrame) -> Iterator[list[bytes]]:
        yield self._trace.pieces(self._traces + shown["trace"])
        yield self._span.pieces(shown["span"])
        sampled = varint_field(_SAMPLED, 1)
        yield [sampled if one else b"" for one in shown["sampled"].to_list()]

    def _requests(self, rows: pl.DataFrame, shown: pl.DataFrame) -> list[bytes]:
        """Give each row's httpRequest; nothing where it was none."""
        latency = rows["response.duration"].to_physical()
        parts = [
            numbers(
                (_REQUEST_SIZE, _integers(rows["request.total_size"]), 9),
                (_STATUS, _integers(rows["response.code"]), 3),
                (_RESPONSE_SIZE, _integers(rows["response.total_size"]), 9),
            ),
            present(moments(_LATENCY, latency.fill_null(0).to_numpy()), latency),
            *(texts.pieces(shown[f"http.{field}"]) for field, texts in self._request.items()),
        ]
        written = messages(self._http, parts)
        return [one if there else b"" for one, there in zip(written, shown["http"].to_list(), strict=True)]

    def _contexts(self, rows: pl.DataFrame) -> list[bytes]:
        """Give each row's log name, resource and shared labels, made once for each context.key."""
        _, firsts, codes = np.unique(
            rows["context.key"].fill_null(0xFFFF_FFFF).to_numpy(), return_index=True, return_inverse=True
        )
        first = rows[firsts]
        shared, cut = _cut(first.select(**self._shared))
        who = first.select(**REPORTER, pod=POD, client=CLIENT, log=LOG_NAME).to_dicts()
        marks = [False] * len(first) if cut is None else cut.to_list()
        written = [
            self._context(one, labels, truncated=mark)
            for one, labels, mark in zip(who, shared.to_dicts(), marks, strict=True)
        ]
        return [written[code] for code in codes.tolist()]

    def _context(self, who: dict[str, str | bool | None], labels: dict[str, str | None], *, truncated: bool) -> bytes:
        options = self._options
        name = quote(options.log_name or str(who["log"]), safe="")
        everything = {**labels, **self._constant, **({"truncated": "true"} if truncated else {})}
        return b"".join(
            [
                delimited(_LOG_NAME, f"projects/{options.project}/logs/{name}".encode()),
                delimited(_RESOURCE, self._resource(who)),
                *(label(_LABELS, key, value) for key, value in everything.items() if value is not None),
            ]
        )

    def _resource(self, who: dict[str, str | bool | None]) -> bytes:
        options = self._options
        kind: str = options.resource_type
        if kind == "auto":
            pod = "k8s_pod" if who["client"] else "k8s_container"
            kind = pod if who["pod"] else "generic_node"
        labels = {"project_id": options.project, "location": options.location}
        if kind == "generic_node":
            labels |= {"namespace": who["namespace"], "node_id": who["node"]}  # type: ignore[dict-item]
        else:
            labels |= {"cluster_name": options.cluster or who["cluster"]}  # type: ignore[dict-item]
            labels |= {"namespace_name": who["namespace"], "pod_name": who["name"]}  # type: ignore[dict-item]
        if kind == "k8s_container":
            labels["container_name"] = options.container
        written = (label(2, key, value[:LONGEST_TEXT]) for key, value in labels.items() if value is not None)
        return delimited(1, kind.encode()) + b"".join(written)


def _integers(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Give numbers that an int64 holds; 0, which protobuf leaves out, for null."""
    return np.asarray(column.cast(pl.UInt64).fill_null(0).to_numpy().clip(0, _MOST), dtype=np.int64)


def _cut(shown: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series | None]:
    """Cut texts that are too long; gives which rows had any, None for none at all."""
    long = [
        column.name
        for column in shown.iter_columns()
        if column.dtype == pl.String and (column.str.len_bytes().max() or 0) > LONGEST_TEXT  # type: ignore[operator]
    ]
    if not long:
        return shown, None
    over = pl.any_horizontal(pl.col(long).str.len_chars() > LONGEST_TEXT).fill_null(value=False)
    cut = shown.select(over.alias("cut")).to_series()
    return shown.with_columns(pl.col(long).str.slice(0, LONGEST_TEXT)), cut


def _insert_ids(batch: Batch) -> list[bytes]:
    """Give ids by which Cloud Logging drops an entry that comes again, in the rows' order within one time."""
    receiver = hashlib.blake2b(batch.receiver.encode(), digest_size=8).hexdigest()
    head = f"{receiver}.{batch.epoch:016x}.{batch.sequence:012x}.".encode()
    head = delimited(_INSERT_ID, head + b"0" * 8)[:-8]
    return [head + b"%08x" % row for row in batch.row_numbers.to_list()]
