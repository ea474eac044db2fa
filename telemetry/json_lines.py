"""Batches as lines of JSON: by columns, and each distinct value of what repeats only once."""

import re
import secrets
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np
import orjson
import polars as pl

from telemetry.attributes import TIMESTAMP
from telemetry.batch import Batch

__all__ = ["SHARED", "JsonLines", "members_of"]

# fmt: off
_END = (
    "name", "uid", "labels", "serviceAccount", "namespace", "owner", "workload.name", "workload.uid", "app", "version",
    "workload.namespace", "principal", "canonical.service", "canonical.revision", "cluster.id", "resolved_by",
)
# fmt: on
SHARED = frozenset(
    {
        *(f"{side}.{name}" for side in ("source", "destination") for name in _END),
        *(f"destination.service.{name}" for name in ("host", "name", "namespace", "uid")),
        *(f"context.{name}" for name in ("protocol", "reporter.kind", "reporter.uid", "proxy_version", "log_name")),
        "connection.mtls",
        "connection.security_policy",
    }
)  # fmt: skip
"""Columns in which rows of one `context.key` agree, in templates that have such a key."""

_IDENTITY = ("template", "receiver", "epoch", "sequence")
_LINES_AT_ONCE = 16
_RFC_3339 = "%Y-%m-%dT%H:%M:%S%.9fZ"
_SAMPLE_ROWS = 256
_LASTS = 64
"""So many batches share what one sample has shown."""
_MOST_LAYOUTS = 64
_MOST_REMEMBERED = 65_536
_REPEATS = 8
"""A column repeats when a sample has at least so many rows for each distinct value."""

# With a known seed, rows could be made whose hashes collide: one would show the other's values.
_SEED = secrets.randbits(64)
# DEL, C1 controls, separators and marks of direction: JSON allows them as they are, a terminal obeys them.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class JsonLines:
    """Encodes batches. Remembers which columns repeat, which costs speed where it is no longer so, nothing else.

    Keys: `template`, `receiver`, `epoch`, `sequence`, `row` (its number), then the columns. Times are RFC 3339 with
    nanoseconds, durations seconds. What is unknown is left out.
    """

    def __init__(self) -> None:
        self._repeating: dict[tuple[str, ...], tuple[list[str], int]] = {}
        self._members: dict[tuple[tuple[str, pl.DataType], ...], dict[int, bytes]] = {}

    def lines(self, batch: Batch) -> Iterator[bytes]:
        """Give one line of JSON for each row, each with its newline, some hundred at a time; controls are escaped."""
        pieces = iter(self._pieces(batch))
        # A buffer of megabytes would come from the system each time, page by page.
        while text := b"".join(chain.from_iterable(islice(pieces, _LINES_AT_ONCE))):
            yield text

    def objects(self, batch: Batch) -> list[bytes]:
        """Give the lines one by one, without their newlines."""
        return [b"".join(pieces)[:-1] for pieces in self._pieces(batch)]

    def _pieces(self, batch: Batch) -> Iterable[tuple[bytes, ...]]:
        """Give each row's line in pieces."""
        if batch.rows.is_empty():
            return []
        head = orjson.dumps({name: getattr(batch, name) for name in _IDENTITY})[:-1] + b","
        return self._pieces_of(batch.rows, head, batch.row_numbers.alias("row"))

    def rows(self, rows: pl.DataFrame) -> Iterator[bytes]:
        """Give one line for each row of any frame, with its columns only."""
        if len(rows):
            number = rows.to_series(0)
            yield from map(b"".join, self._pieces_of(rows.drop(number.name), b"{", number))

    def _pieces_of(self, rows: pl.DataFrame, head: bytes, number: pl.Series) -> Iterable[tuple[bytes, ...]]:
        """Give the pieces of any frame's rows; `number` comes first of the columns that don't repeat."""
        # Spans of one batch come from entries of several, in each of which a key means another context.
        keyed = "context.key" in rows.columns and "span.id" not in rows.columns
        rows = rows[_known(rows)]
        shared = [name for name in rows.columns if keyed and name in SHARED]
        others = rows.drop(shared)
        repeating = self._repeats(others)
        own = others.drop(repeating).insert_column(0, number)
        columns = [[head] * len(rows)]
        if shared:
            # Their key means something within this batch only: nothing to remember.
            columns.append(_distinct(rows.select("context.key"), rows.select(shared), {}))
        if repeating:
            same = rows.select(repeating)
            columns.append(_distinct(same, same, self._remembered(same)))
        return zip(*columns, members_of(own), [b"\n"] * len(rows), strict=True)

    def _remembered(self, rows: pl.DataFrame) -> dict[int, bytes]:
        """Give what is known of rows of these columns, by their hash; bounded."""
        if sum(map(len, self._members.values())) > _MOST_REMEMBERED:
            self._members.clear()
        return self._members.setdefault(tuple(rows.schema.items()), {})

    def _repeats(self, rows: pl.DataFrame) -> list[str]:
        """Give the columns that are worth encoding once for each distinct combination of their values."""
        if len(rows) < _SAMPLE_ROWS:
            return []
        names = tuple(rows.columns)
        found, uses = self._repeating.get(names, ([], _LASTS))
        if uses >= _LASTS:
            found, uses = _repeating(rows), 0
            if len(self._repeating) >= _MOST_LAYOUTS:
                self._repeating.clear()
        self._repeating[names] = found, uses + 1
        return found


def _known(rows: pl.DataFrame) -> list[str]:
    return [column.name for column in rows.iter_columns() if column.null_count() < len(column)]


def _presentable(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the rows with times as text and durations as seconds."""
    times = [_rfc_3339(column) for column in rows.iter_columns() if column.dtype == TIMESTAMP]
    # Not Polars' division: it multiplies by 1e-9, and 0.01529 comes out as 0.015290000000000002.
    durations = [
        pl.Series(column.name, column.to_physical().cast(pl.Float64).to_numpy() / 1e9, nan_to_null=True)
        for column in rows.iter_columns()
        if column.dtype == pl.Duration
    ]
    return rows.with_columns(*times, *durations)


def _rfc_3339(times: pl.Series) -> pl.Series:
    """Give times as text: each distinct one written once where, by a sample, they repeat."""
    sample = times.head(_SAMPLE_ROWS)
    if sample.n_unique() * _REPEATS > len(sample):
        return times.dt.strftime(_RFC_3339)
    distinct = times.unique()
    return times.replace_strict(distinct, distinct.dt.strftime(_RFC_3339), return_dtype=pl.String)


def safe(text: bytes) -> bytes:
    """Escape what JSON would let through to a terminal."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text.decode()).encode()


def _repeating(rows: pl.DataFrame) -> list[str]:
    sample = rows.slice((len(rows) - _SAMPLE_ROWS) // 2, _SAMPLE_ROWS)
    distinct = sample.select(pl.all().hash(_SEED).n_unique()).row(0)
    return [
        column.name
        for column, count in zip(sample.iter_columns(), distinct, strict=True)
        # Times repeat within a message, and make too many combinations with all the others.
        if count * _REPEATS <= len(sample) and column.dtype != TIMESTAMP
    ]


def _distinct(key: pl.DataFrame, rows: pl.DataFrame, known: dict[int, bytes]) -> list[bytes]:
    """Give each row's members with a comma behind each, encoded once for each key; `known` by hash, and added to."""
    hashes, codes = np.unique(key.hash_rows(_SEED).to_numpy(), return_inverse=True)
    # A row for each key; NumPy's return_index would sort twice as long.
    row_of_key = np.empty(len(hashes), np.int64)
    row_of_key[codes] = np.arange(len(codes))
    keys = hashes.tolist()
    if unknown := [at for at, one in enumerate(keys) if one not in known]:
        members = members_of(rows[row_of_key[unknown]])
        known.update(
            (keys[at], one[:-1] + b"," if len(one) > 1 else b"") for at, one in zip(unknown, members, strict=True)
        )
    texts = [known[one] for one in keys]
    return [texts[code] for code in codes.tolist()]


def members_of(rows: pl.DataFrame) -> list[bytes]:
    """Give each row as an object of JSON without its opening brace; what is null is left out."""
    rows = _presentable(rows)
    optional = [column.name for column in rows.iter_columns() if column.null_count()]
    always = [name for name in rows.columns if name not in optional]
    first = pl.struct(always).struct.json_encode().str.slice(1) if always else pl.lit("}")
    if optional:
        first = pl.concat_str(first.str.strip_suffix("}"), *map(_optional, optional), pl.lit("}"))
        # Nothing stands before the comma of the first one that is there.
        first = first if always else first.str.strip_prefix(",")
    members = rows.select(first.cast(pl.Binary)).to_series().to_list()
    together = b"".join(members)
    return members if together.isascii() and b"\x7f" not in together else [safe(one) for one in members]


def _optional(name: str) -> pl.Expr:
    """Give the member behind a comma, nothing where it is null."""
    member = "," + pl.struct(name).struct.json_encode().str.slice(1).str.strip_suffix("}")
    return pl.when(pl.col(name).is_not_null()).then(member).otherwise(pl.lit(""))
