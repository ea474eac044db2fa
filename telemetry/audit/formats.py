"""What the files are made of: lines of JSON, or Parquet that is made of Arrow when a file is finished."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import polars as pl

from telemetry.audit.files import MODE
from telemetry.json_lines import JsonLines

__all__ = ["FORMATS", "Format", "Jsonl", "Parquet"]

_MOST_KEPT_BYTES = 256 << 20


class Format(Protocol):
    """How batches are kept while a file is open, and what becomes of it in the end."""

    suffix: ClassVar[str]

    def encode(self, rows: pl.DataFrame) -> bytes:
        """Give the batch as it is appended to the open file."""

    def ready(self, part: Path, sizes: Sequence[int]) -> Path:
        """Have the finished content on disk, in this file, under a name that is not its last. Raises OSError."""


class Jsonl:
    """The finished file is the open one."""

    suffix: ClassVar[str] = "jsonl"

    def __init__(self) -> None:
        self._json = JsonLines()

    def encode(self, rows: pl.DataFrame) -> bytes:
        """Give a line for each record."""
        return b"".join(self._json.rows(rows))

    def ready(self, part: Path, sizes: Sequence[int]) -> Path:
        """Give the open one."""
        return part


class Parquet:
    """The open file holds a stream of Arrow IPC for each batch; the finished one is Parquet, zstd."""

    suffix: ClassVar[str] = "parquet"

    def __init__(self) -> None:
        # What was encoded need not be decoded, as long as it fits.
        self._kept: dict[int, pl.DataFrame] = {}
        self._kept_bytes = 0

    def encode(self, rows: pl.DataFrame) -> bytes:
        """Give an Arrow IPC stream."""
        buffer = io.BytesIO()
        rows.write_ipc_stream(buffer, compression="lz4")
        stream = buffer.getvalue()
        self._kept_bytes += int(rows.estimated_size())
        if self._kept_bytes <= _MOST_KEPT_BYTES:
            self._kept[hash(stream)] = rows
        return stream

    def ready(self, part: Path, sizes: Sequence[int]) -> Path:
        """Write the Parquet file beside it."""
        beside = part.with_name(f"{part.name}.new")
        with part.open("rb") as file:
            rows = pl.concat([self._rows(file.read(size)) for size in sizes])
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as file:
            rows.write_parquet(file, compression="zstd", compression_level=1)
            file.flush()
            os.fsync(file.fileno())
        self._kept, self._kept_bytes = {}, 0
        return beside

    def _rows(self, stream: bytes) -> pl.DataFrame:
        kept = self._kept.get(hash(stream))
        return pl.read_ipc_stream(io.BytesIO(stream)) if kept is None else kept


FORMATS: dict[str, type[Format]] = {"jsonl": Jsonl, "parquet": Parquet}
