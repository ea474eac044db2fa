"""Batches to bytes and back: the same frame to the last bit, a tenth of its size, at a fraction of a µs per row."""

import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import Literal

import polars as pl

from telemetry.batch import Batch, Template
from telemetry.journal.keyed import AT
from telemetry.journal.keys import Keys
from telemetry.journal.layout import Layout, layout_of
from telemetry.journal.parts import Parts, take_apart
from telemetry.journal.restoring import put_together

__all__ = ["UNREADABLE", "Encoder", "decode"]

UNREADABLE = (pl.exceptions.PolarsError, ValueError, KeyError, TypeError, struct.error, zlib.error)
"""What `decode` raises for bytes that were not encoded by this version."""

_LENGTHS = struct.Struct("<6I")
# Below this a batch is cheap however it is stored.
_FEW_ROWS = 256
# A layout is worked out anew after 1, 3, 7, .. and at last so many batches: what was not equal then may be now.
_LAYOUT_LASTS = 256
_MAX_LAYOUTS = 64


class Encoder:
    """Encodes batches. Remembers for each schema how its columns are best stored. For one thread.

    Encoded, a batch is six lengths and seven parts: a head (JSON), the schema (an Arrow IPC stream without rows,
    deflated), and five Arrow IPC streams: what the rows of one key share, what is worth compressing, what is not, the
    row numbers of a batch that was filtered, and what keys share with those of other batches (since format 2). All but
    the third are compressed (LZ4).
    """

    def __init__(self, key: str = "context.key") -> None:
        self._key = key
        self._layouts: dict[tuple[object, ...], tuple[Layout, int, int]] = {}

    def encode(self, batch: Batch) -> bytes:
        """Give the batch as bytes that `decode` makes an equal batch of."""
        keys = Keys.of(batch.rows, self._key) if len(batch.rows) >= _FEW_ROWS else None
        rows = batch.rows.clone()
        rows.columns = list(map(str, range(rows.width)))
        schema = tuple(batch.rows.schema.items())
        known = batch.by_context | {self._key}
        told = {str(at) for at, (name, _) in enumerate(schema) if name in known}
        parts = take_apart(rows, keys, self._layout((batch.template, schema), rows, keys), told)
        sections = (
            _head(batch, parts),
            _schema_stream(schema),
            _packed(parts.keyed),
            _packed(parts.packed),
            _plain(parts.plain),
            b"" if batch.kept is None else _packed(batch.kept.to_frame()),
        )
        shared = parts.shared.encoded(_packed) if parts.shared else b""
        return b"".join((_LENGTHS.pack(*map(len, sections)), *sections, shared))

    def _layout(self, kind: tuple[object, ...], rows: pl.DataFrame, keys: Keys | None) -> Layout:
        if len(rows) < _FEW_ROWS:
            return Layout.simple(rows)
        known = (*kind, keys is None)
        layout, left, lasts = self._layouts.get(known, (None, 0, 0))
        if layout is None or not left:
            layout, lasts = layout_of(rows, keys), min(2 * lasts + 1, _LAYOUT_LASTS)
            left = lasts
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
        self._layouts[known] = layout, left - 1, lasts
        return layout


def decode(blob: bytes) -> Batch:
    """Give the batch that was encoded. Raises one of UNREADABLE; check a checksum first."""
    raw_head, schema, *streams, shared = _cut(memoryview(blob)[_LENGTHS.size :], _LENGTHS.unpack_from(blob))
    head = json.loads(raw_head)
    keyed, packed, plain, kept = map(_frame, streams)
    if shared:
        keyed = keyed.hstack(_shared(shared)[keyed.drop_in_place(AT)])
    rows = put_together(head["columns"], keyed, [packed, plain], _schema_of(schema), head["rows"])
    names = head["receiver"], head["epoch"], head["sequence"]
    return Batch(Template(head["template"]), rows, *names, kept=kept.to_series() if kept.width else None)


def _head(batch: Batch, parts: Parts) -> bytes:
    head = {
        "template": batch.template,
        "receiver": batch.receiver,
        "epoch": batch.epoch,
        "sequence": batch.sequence,
        "rows": len(batch.rows),
        "columns": parts.columns,
    }
    return json.dumps(head, separators=(",", ":")).encode()


def _cut(content: memoryview, lengths: tuple[int, ...]) -> Iterator[bytes]:
    at = 0
    for length in lengths:
        yield bytes(content[at : at + length])
        at += length
    yield bytes(content[at:])


@lru_cache(maxsize=2)
def _shared(stream: bytes) -> pl.DataFrame:
    """Batches that follow each other mostly have the same one."""
    return _frame(stream)


def _packed(frame: pl.DataFrame) -> bytes:
    return _stream(frame, "lz4")


def _plain(frame: pl.DataFrame) -> bytes:
    # Where each text begins takes half of what Polars' own views of it take, which only compression makes small.
    return _stream(frame, "uncompressed", pl.CompatLevel.oldest())


def _stream(
    frame: pl.DataFrame, compression: Literal["uncompressed", "lz4"], compat_level: pl.CompatLevel | None = None
) -> bytes:
    if not frame.width:
        return b""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression=compression, compat_level=compat_level)
    return buffer.getvalue()


def _frame(stream: bytes) -> pl.DataFrame:
    return pl.read_ipc_stream(stream) if stream else pl.DataFrame()


@lru_cache(maxsize=64)
def _schema_stream(items: tuple[tuple[str, pl.DataType], ...]) -> bytes:
    return zlib.compress(_stream(pl.DataFrame(schema=dict(items)), "uncompressed"))


@lru_cache(maxsize=64)
def _schema_of(deflated: bytes) -> pl.Schema:
    return _frame(zlib.decompress(deflated)).schema
