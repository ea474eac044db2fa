"""One file of dead letters: Arrow IPC, a batch's rows with who refused each, when and why."""

import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import Batch, Template
from telemetry.errors import TelemetryError

__all__ = ["NAME", "PARTIAL", "DeadLetter", "Unreadable", "checksum", "encoded", "read", "write"]

PARTIAL = ".partial"
"""How the name of a file ends that isn't finished."""

# When, what, how many rows; nothing that came from outside.
NAME = re.compile(
    r"(?P<time>\d{8}T\d{6}\.\d{6}Z)-(?P<template>[a-z]+)-(?P<rows>\d{1,12})rows"
    r"-(?P<checksum>[0-9a-f]{8})\.arrow"
)

_NOTES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "dead_letter.handler": pl.String,
    "dead_letter.template": pl.String,
    "dead_letter.receiver": pl.String,
    "dead_letter.epoch": pl.Int64,
    "dead_letter.sequence": pl.Int64,
    "dead_letter.row": pl.UInt32,
    "dead_letter.time": TIMESTAMP,
    "dead_letter.reason": pl.String,
}
"""Columns before the batch's own: the identity of the row, and its fate. Any reader of Arrow shows them."""


class Unreadable(TelemetryError):  # noqa: N818 - says what the file is
    """The file holds no dead letters that this version can read; the message says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What one file holds: a batch as the sink refused it, rows keeping their numbers; a reason for each row."""

    handler: str
    time_ns: int
    batch: Batch
    reasons: Sequence[str]


def encoded(letter: DeadLetter) -> bytes:
    """Give the content of the letter's file."""
    batch = letter.batch
    values = {
        "dead_letter.handler": letter.handler,
        "dead_letter.template": batch.template.value,
        "dead_letter.receiver": batch.receiver,
        "dead_letter.epoch": batch.epoch,
        "dead_letter.sequence": batch.sequence,
        "dead_letter.time": letter.time_ns,
    }
    notes = [pl.lit(value).cast(_NOTES[name]).alias(name) for name, value in values.items()]
    own = [batch.row_numbers.alias("dead_letter.row"), pl.Series("dead_letter.reason", letter.reasons, dtype=pl.String)]
    frame = batch.rows.with_columns(*notes, *own).select(*_NOTES, *batch.rows.columns)
    return frame.write_ipc(None, compression="zstd").getvalue()


def write(path: Path, content: bytes) -> None:
    """Write the file, readable by its owner only; it is there whole or not at all. Raises OSError."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def checksum(content: bytes) -> str:
    """Give what the name of a file ends with, so that damage is found before anything reads it."""
    return f"{zlib.crc32(content):08x}"


def _sync(folder: Path) -> None:
    """Make the folder's change last. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> DeadLetter:
    """Read a file. Raises Unreadable when it is damaged or holds something else, OSError when it can't be opened."""
    content = path.read_bytes()
    said = NAME.fullmatch(path.name)
    if said and said["checksum"] != checksum(content):
        raise Unreadable(f"{path} is damaged: its content is not what its name says; restore it, or remove it")
    try:
        frame = pl.read_ipc(content)
        return _letter(frame)
    # Polars panics on some damaged input, which is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, IndexError) as error:
        raise Unreadable(f"{path} holds no dead letters that this version can read: {error}") from None


def _letter(frame: pl.DataFrame) -> DeadLetter:
    notes = frame.select(*_NOTES)
    first = notes.row(0, named=True)
    batch = Batch(
        Template(first["dead_letter.template"]),
        frame.select(name for name in frame.columns if name not in _NOTES),
        first["dead_letter.receiver"],
        first["dead_letter.epoch"],
        first["dead_letter.sequence"],
        kept=notes["dead_letter.row"],
    )
    time_ns = int(notes["dead_letter.time"].cast(pl.Int64)[0])
    return DeadLetter(first["dead_letter.handler"], time_ns, batch, notes["dead_letter.reason"].to_list())
