"""Batches to bytes and back: the same frame to the last bit, a tenth of its size, at a fraction of a µs per row."""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain

import polars as pl

from telemetry.batch import Batch, Template
from telemetry.by_context import ByContext
from telemetry.journal.keyed import AT
from telemetry.journal.keys import Keys
from telemetry.journal.layouts import FEW_ROWS, Layouts
from telemetry.journal.parts import Parts, take_apart
from telemetry.journal.restoring import put_together
from telemetry.journal.streams import Pieces, frame, packed, plain

__all__ = ["UNREADABLE", "Encoder", "decode"]

UNREADABLE = (pl.exceptions.PolarsError, ValueError, KeyError, TypeError, struct.error, zlib.error)
"""What `decode` raises for bytes that were not encoded by this version."""

_LENGTHS = struct.Struct("<6I")
_MAX_SCHEMAS = 64


class Encoder:
    """Encodes batches. Remembers for each schema how its columns are best stored. For one thread.

    Encoded, a batch is six lengths and seven parts: a head (JSON), the schema (an Arrow IPC stream without rows,
    deflated), and five Arrow IPC streams: what the rows of one key share, what is worth compressing, what is not, the
    row numbers of a batch that was filtered, and what keys share with those of other batches (since format 2). All but
    the third are compressed (LZ4).
    """

    def __init__(self, key: str = "context.key") -> None:
        self._key = key
        self._schemas: dict[tuple[tuple[str, pl.DataType], ...], Layouts] = {}

    def encode(self, batch: Batch) -> Pieces:
        """Give the batch as pieces, which together are what `decode` makes an equal batch of."""
        layouts = self._layouts(batch.rows.schema)
        names = batch.rows.columns
        rows = batch.rows.clone()
        rows.columns = list(map(str, range(rows.width)))
        keyed = len(rows) >= FEW_ROWS and self._key in names
        keys = Keys.of(rows, str(names.index(self._key))) if keyed else None
        known = _by_position(batch.by_context, names) if keys and batch.by_context else None
        parts = take_apart(rows, keys, layouts.of(rows, keys, known.columns if known else frozenset()), known)
        sections = (
            Pieces([_head(batch, parts)]),
            Pieces([layouts.schema]),
            packed(parts.keyed),
            packed(parts.packed),
            plain(parts.plain),
            Pieces() if batch.kept is None else packed(batch.kept.to_frame()),
        )
        lengths = _LENGTHS.pack(*(section.size_bytes for section in sections))
        shared = parts.shared.encoded if parts.shared else ()
        return Pieces(chain((lengths,), *sections, shared))

    def _layouts(self, schema: pl.Schema) -> Layouts:
        key = tuple(schema.items())
        found = self._schemas.get(key)
        if found is None:
            if len(self._schemas) >= _MAX_SCHEMAS:
                self._schemas.clear()
            found = self._schemas[key] = Layouts(schema)
        return found


def decode(blob: bytes) -> Batch:
    """Give the batch that was encoded. Raises one of UNREADABLE; check a checksum first."""
    raw_head, schema, *streams, shared = _cut(memoryview(blob)[_LENGTHS.size :], _LENGTHS.unpack_from(blob))
    head = json.loads(raw_head)
    keyed, packed, plain, kept = map(frame, streams)
    if shared:
        keyed = keyed.hstack(_shared(shared)[keyed.drop_in_place(AT)])
    rows = put_together(head["columns"], keyed, [packed, plain], _schema_of(schema), head["rows"])
    names = head["receiver"], head["epoch"], head["sequence"]
    return Batch(Template(head["template"]), rows, *names, kept=kept.to_series() if kept.width else None)


def _by_position(known: ByContext, columns: list[str]) -> ByContext:
    return replace(known, columns=frozenset(str(at) for at, name in enumerate(columns) if name in known.columns))


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
def _shared(content: bytes) -> pl.DataFrame:
    """Batches that follow each other mostly have the same one."""
    return frame(content)


@lru_cache(maxsize=64)
def _schema_of(deflated: bytes) -> pl.Schema:
    return frame(zlib.decompress(deflated)).schema
