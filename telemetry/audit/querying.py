"""Finds records: finished files and open ones, read only as far as the question needs."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from telemetry.attributes import ATTRIBUTES
from telemetry.audit.chain import BATCH, link_of, read_line
from telemetry.audit.files import Folder
from telemetry.audit.ocsf import FIELDS

__all__ = ["SCHEMA", "Question", "answer"]

_ATTRIBUTES = pl.LazyFrame(schema={attribute.name: attribute.dtype for attribute in ATTRIBUTES})
_MADE = _ATTRIBUTES.select(value.alias(name) for name, value in FIELDS.items()).collect_schema()
SCHEMA = {"metadata.uid": pl.String(), **_MADE}
"""A record's columns."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a record must have; None: anything. `since` is included, `until` is not.

    principal: any of who asked, as a user or a workload, and who answered. service: host, name or workload.
    path: the beginning of the path.
    """

    principal: str | None = None
    service: str | None = None
    path: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    def predicate(self) -> pl.Expr:
        """Give it as an expression over SCHEMA."""
        asked = [pl.lit(value=True)]
        if self.principal is not None:
            asked.append(_any_is(self.principal, "actor.user.name", "actor.app_uid", "dst_endpoint.uid"))
        if self.service is not None:
            host = pl.col("dst_endpoint.svc_name")
            asked.append(
                _any_is(self.service, "dst_endpoint.svc_name", "dst_endpoint.name")
                | host.str.starts_with(f"{self.service}.").fill_null(value=False)
            )
        if self.path is not None:
            asked.append(pl.col("http_request.url.path").str.starts_with(self.path).fill_null(value=False))
        if self.since is not None:
            asked.append(pl.col("time") >= self.since.astimezone(UTC))
        if self.until is not None:
            asked.append(pl.col("time") < self.until.astimezone(UTC))
        return pl.all_horizontal(asked)


def _any_is(text: str, *columns: str) -> pl.Expr:
    return pl.any_horizontal((pl.col(name) == text).fill_null(value=False) for name in columns)


def answer(folder: Folder, question: Question) -> pl.DataFrame:
    """Give the records, oldest first, with the columns of SCHEMA. What it reads is not verified.

    Raises OSError when the folder can't be read, polars' ComputeError when a file isn't what it was.
    """
    found = pl.concat([pl.LazyFrame(schema=SCHEMA), *_scans(folder)]).filter(question.predicate()).sort("time")
    return (found.head(question.limit) if question.limit is not None else found).collect()


def _scans(folder: Folder) -> Iterator[pl.LazyFrame]:
    for name in folder.finished():
        path = folder / name
        if path.suffix == ".parquet":
            yield pl.scan_parquet(path).select(*SCHEMA)
        elif path.stat().st_size:
            yield _of_lines(path)
    for name in folder.parts():
        part = folder / f"{name}.part"
        if name.endswith(".parquet"):
            yield from _of_streams(part, folder / f"{name}.chain")
        elif part.exists() and part.stat().st_size:
            yield _of_lines(part)


def _of_lines(path: Path) -> pl.LazyFrame:
    # The reader of lines knows no small integers and not our times.
    written = {name: _as_read(dtype) for name, dtype in SCHEMA.items()}
    return pl.scan_ndjson(path, schema=written).select(_as_meant(name, dtype) for name, dtype in SCHEMA.items())


def _as_read(dtype: pl.DataType) -> pl.DataType:
    if dtype.is_integer():
        return pl.Int64()
    return pl.String() if dtype.is_temporal() else dtype


def _as_meant(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_temporal():
        return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns", time_zone="UTC")
    return column.cast(dtype) if dtype.is_integer() else column


def _of_streams(part: Path, chain: Path) -> Iterator[pl.LazyFrame]:
    content = part.read_bytes() if part.exists() else b""
    for line in chain.read_bytes().splitlines(keepends=True) if chain.exists() else []:
        link = link_of(read_line(line, None))
        piece = content[link.offset : link.offset + link.size_bytes]
        if link.kind == BATCH and len(piece) == link.size_bytes:
            yield pl.read_ipc_stream(io.BytesIO(piece)).lazy()
