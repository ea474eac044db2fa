"""A handler's dead letters: a folder of bounded size, the oldest given up for the newest."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from telemetry.batch import Batch
from telemetry.dead_letters.file import NAME, PARTIAL, DeadLetter, checksum, encoded, write
from telemetry.selfmetrics import SelfMetrics

__all__ = ["DeadLetters", "Kept"]

log = structlog.get_logger(__name__)

_AGAIN_NS = 60_000_000_000
_STALE_S = 60.0
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of dead letters, as its name tells."""

    path: Path
    time: str
    template: str
    rows: int
    size_bytes: int


class DeadLetters:
    """Keeps what one handler's sink rejected, in `folder/HANDLER`. Call it from any thread.

    At `max_bytes` the oldest files go, and their rows are counted as given up; what alone is larger is refused.
    The folder is made when the first letter comes.
    """

    def __init__(
        self,
        folder: Path,
        handler: str,
        metrics: SelfMetrics,
        *,
        max_bytes: int,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder / (_UNSAFE.sub("_", handler)[:100] or "_")
        self._handler = handler
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._measured_ns: int | None = None
        self._said_ns: int | None = None
        self._tidy()
        self.measure()

    @property
    def place(self) -> str:
        """The folder, for people."""
        return str(self.folder)

    def __call__(self, batch: Batch, reasons: Sequence[str]) -> None:
        """Keep the rows, each with its reason; they are on the disk when it returns. Raises OSError when it can't."""
        now_ns = self._clock_ns()
        with self._lock:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = encoded(DeadLetter(self._handler, now_ns, batch, reasons))
            self._make_room(len(content))
            write(self.folder / _name(batch, now_ns, content), content)

    def files(self) -> list[Kept]:
        """Give what is kept now, oldest first."""
        return sorted(self._found(), key=lambda one: one.path.name)

    def measure(self) -> None:
        """Bring the gauges up to date, if anything has changed."""
        try:
            changed_ns = self.folder.stat().st_mtime_ns
        except OSError:
            changed_ns = 0
        if changed_ns != self._measured_ns:
            files = self.files()
            self._metrics.dead_letter_files.labels(self._handler).set(len(files))
            self._metrics.dead_letter_bytes.labels(self._handler).set(sum(one.size_bytes for one in files))
            self._measured_ns = changed_ns

    def _tidy(self) -> None:
        """Remove what a killed process left; not what another of us, before a reload, may be writing now."""
        for path in self.folder.glob(f"*{PARTIAL}"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_S:
                    path.unlink()

    def _found(self) -> Iterator[Kept]:
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            match = NAME.fullmatch(path.name)
            if match:
                try:
                    size_bytes = path.stat().st_size
                except FileNotFoundError:  # someone took it meanwhile
                    continue
                yield Kept(path, match["time"], match["template"], int(match["rows"]), size_bytes)

    def _make_room(self, size_bytes: int) -> None:
        """Remove the oldest files until so many bytes fit. Raises OSError when they never do."""
        if size_bytes > self._max_bytes:
            raise OSError(f"{size_bytes} bytes are more than dead_letters.max_bytes={self._max_bytes}")
        files = self.files()
        excess_bytes = sum(one.size_bytes for one in files) + size_bytes - self._max_bytes
        for one in files:
            if excess_bytes <= 0:
                return
            one.path.unlink(missing_ok=True)
            excess_bytes -= one.size_bytes
            self._give_up(one)

    def _give_up(self, one: Kept) -> None:
        self._metrics.dead_letters_given_up.labels(self._handler).inc(one.rows)
        now_ns = self._clock_ns()
        if self._said_ns is not None and now_ns - self._said_ns < _AGAIN_NS:
            return
        self._said_ns = now_ns
        log.error("dead letters removed to make room for newer ones; raise dead_letters.max_bytes to keep more",
                  handler=self._handler, file=one.path.name, rows=one.rows)  # fmt: skip


def _name(batch: Batch, now_ns: int, content: bytes) -> str:
    when = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    micros = now_ns % 1_000_000_000 // 1000
    template, rows = batch.template.value, len(batch.rows)
    return f"{when:%Y%m%dT%H%M%S}.{micros:06}Z-{template}-{rows}rows-{checksum(content)}.arrow"
