"""The SQLite file: segments of edges, the edges' names, which batches are in it."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import orjson

from telemetry.edges.index import Identity, KnownEdge
from telemetry.edges.window import Segment

__all__ = ["Damaged", "EdgeFile", "Named"]

Named = tuple[str, int, int, int]
"""A batch, or a piece of it: receiver, epoch, sequence, number of its first row."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (created_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS edges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, identity TEXT NOT NULL UNIQUE, first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL, secure INTEGER, failed INTEGER NOT NULL, principals TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    span_s INTEGER NOT NULL, start_s INTEGER NOT NULL, part TEXT NOT NULL, piece INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (span_s, start_s, part, piece));
CREATE TABLE IF NOT EXISTS seen (
    at INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    first_row INTEGER NOT NULL, UNIQUE (receiver, epoch, sequence, first_row));
"""
# A batch every ten seconds: eleven days of one receiver's.
_SEEN_KEPT = 100_000
# Others hold it for moments only (a backup); beyond that the batch is offered again.
_BUSY_S = 0.5
_NOT_A_DATABASE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Damaged(Exception):  # noqa: N818 - what the file is
    """The file is no database of ours, or broken."""


class EdgeFile:
    """One connection, for one thread. `path` None: in memory.

    Every method may raise Damaged, or sqlite3.Error (a full disk, a lock).
    """

    def __init__(self, path: Path | None, now_ns: int) -> None:
        with _damage():
            self._db = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._open(now_ns)
            except BaseException:
                self._db.close()
                raise

    def _open(self, now_ns: int) -> None:
        db = self._db
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise Damaged(f"the file has version {version}; this program writes {_VERSION}")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_VERSION}")
        (problem,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise Damaged(problem)
        db.execute("INSERT INTO about SELECT ? WHERE NOT EXISTS (SELECT 1 FROM about)", (now_ns,))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """All that is written inside is kept, or nothing."""
        with _damage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @property
    def created_ns(self) -> int:
        """When the file was begun."""
        with _damage():
            (created_ns,) = self._db.execute("SELECT created_ns FROM about").fetchone()
            return int(created_ns)

    @property
    def size_bytes(self) -> int:
        """What is in use of the file."""
        with _damage():
            pages, free, size = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            return int((pages - free) * size)

    def note(self, batch: Named) -> bool:
        """Remember that the batch is in the file; False when it was already."""
        with _damage():
            noted = self._db.execute(
                "INSERT OR IGNORE INTO seen (receiver, epoch, sequence, first_row) VALUES (?, ?, ?, ?)", batch
            )
            if noted.rowcount:
                self._db.execute("DELETE FROM seen WHERE at <= ?", (int(noted.lastrowid or 0) - _SEEN_KEPT,))
            return bool(noted.rowcount)

    def edges(self) -> Iterator[KnownEdge]:
        """Yield all edges."""
        with _damage():
            rows = self._db.execute("SELECT id, identity, first_ns, last_ns, secure, failed, principals FROM edges")
            for number, identity, first_ns, last_ns, secure, failed, principals in rows:
                of_source, of_destination = map(tuple, orjson.loads(principals))
                names = tuple(orjson.loads(identity))
                known = None if secure is None else bool(secure)
                yield KnownEdge(number, names, first_ns, last_ns, known, bool(failed), of_source, of_destination)

    def add_edge(self, identity: Identity, seen_ns: int) -> KnownEdge:
        """Give an edge its number."""
        with _damage():
            row = (orjson.dumps(identity).decode(), seen_ns, seen_ns, 0, "[[],[]]")
            made = self._db.execute(
                "INSERT INTO edges (identity, first_ns, last_ns, failed, principals) VALUES (?, ?, ?, ?, ?)", row
            )
            return KnownEdge(int(made.lastrowid or 0), identity, seen_ns, seen_ns)

    def update_edges(self, edges: Iterable[KnownEdge]) -> None:
        """Keep what is known of the edges now."""
        rows = [
            (
                edge.last_ns,
                edge.secure,
                edge.failed,
                orjson.dumps((edge.source_principals, edge.destination_principals)).decode(),
                edge.id,
            )
            for edge in edges
        ]
        with _damage():
            self._db.executemany(
                "UPDATE edges SET last_ns = ?, secure = ?, failed = ?, principals = ? WHERE id = ?", rows
            )

    def delete_edges(self, edges: Iterable[KnownEdge]) -> None:
        """Forget edges."""
        with _damage():
            self._db.executemany("DELETE FROM edges WHERE id = ?", [(edge.id,) for edge in edges])

    def add_piece(self, segment: Segment, part: str, body: bytes) -> None:
        """Add what came to a segment."""
        with _damage():
            self._db.execute(
                "INSERT INTO segments SELECT ?, ?, ?, coalesce(max(piece), 0) + 1, ? FROM segments "
                "WHERE span_s = ? AND start_s = ? AND part = ?",
                (*segment, part, body, *segment, part),
            )

    def pieces(self, segment: Segment, part: str, after: int = 0) -> Sequence[tuple[int, bytes]]:
        """Give a segment's pieces beyond a number, in order."""
        with _damage():
            return self._db.execute(
                "SELECT piece, body FROM segments WHERE span_s = ? AND start_s = ? AND part = ? AND piece > ? "
                "ORDER BY piece",
                (*segment, part, after),
            ).fetchall()

    def in_pieces(self, at_least: int, ended_by_s: int) -> Sequence[tuple[int, int, str]]:
        """Give the segments (span, start, part) in so many pieces, or ended and in more than one."""
        with _damage():
            return self._db.execute(
                "SELECT span_s, start_s, part FROM segments GROUP BY span_s, start_s, part "
                "HAVING count(*) >= ? OR (count(*) > 1 AND span_s + start_s <= ?)",
                (at_least, ended_by_s),
            ).fetchall()

    def replace_pieces(self, segment: Segment, part: str, upto: int, body: bytes) -> None:
        """Put one piece, numbered `upto`, in the place of all up to it."""
        with _damage():
            self._db.execute(
                "DELETE FROM segments WHERE span_s = ? AND start_s = ? AND part = ? AND piece <= ?",
                (*segment, part, upto),
            )
            self._db.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", (*segment, part, upto, body))

    def prune(self, span_s: int, before_s: int) -> int:
        """Delete the segments of a span that begin before a time; gives how many rows went."""
        with _damage():
            gone = self._db.execute("DELETE FROM segments WHERE span_s = ? AND start_s < ?", (span_s, before_s))
            return gone.rowcount

    def oldest(self, span_s: int) -> int | None:
        """Give the start of the oldest segment of a span."""
        with _damage():
            (start,) = self._db.execute("SELECT min(start_s) FROM segments WHERE span_s = ?", (span_s,)).fetchone()
            return None if start is None else int(start)

    def shrink(self) -> None:
        """Give free pages back to the file system."""
        with _damage():
            self._db.execute("PRAGMA incremental_vacuum").fetchall()


@contextmanager
def _damage() -> Iterator[None]:
    """Tell a broken file from a busy or full disk."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_A_DATABASE:
            raise Damaged(str(error)) from error
        raise
