"""The file in a thread of its own: a full disk is waited for, a damaged file set aside."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from telemetry.errors import StartError
from telemetry.journal.cursors import Record
from telemetry.journal.faults import DamagedError, NoRoomError, UnreadableError
from telemetry.journal.lock import Lock
from telemetry.journal.recovery import Recovered, recover, settle
from telemetry.journal.store import Changes, Store
from telemetry.journal.tables import Contents, Stored
from telemetry.journal.tally import Tally
from telemetry.selfmetrics import SelfMetrics

__all__ = ["Disk"]

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_READS = 2
_FULL = "nothing is read from Envoys until it can be written again"
_UNREAD = "what must be read from there waits"


class Disk:
    """Does all work on the file, one thing at a time, each for as long as it takes.

    `rescue` gives what is still in memory when the file turns out to be damaged (it is called in the thread), and
    `recovered` is told what the new file holds.
    """

    def __init__(
        self,
        path: Path,
        metrics: SelfMetrics,
        *,
        rescue: Callable[[], Iterable[Stored]],
        recovered: Callable[[Contents], None],
        retry_s: float,
        clock_ns: Callable[[], int],
    ) -> None:
        self._path = path
        self._metrics = metrics
        self._rescue, self._recovered = rescue, recovered
        self._retry_s, self._clock_ns = retry_s, clock_ns
        self._lock = Lock(path)
        self._store = Store(path)
        self._thread = ThreadPoolExecutor(1, "journal")
        self._recovering = asyncio.Lock()
        self._recoveries = 0
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """What keeps the file from being written or read now; empty when nothing does."""
        return "; ".join(self._problems.values())

    async def open(self) -> tuple[Contents, Tally | None]:
        """Open the file; gives what it holds, and when something is missing, what was there a second before.

        Raises StartError.
        """
        self._lock.take()
        try:
            return await self.run(self._open)
        except (NoRoomError, DamagedError) as error:
            self.close_now()
            way_out = getattr(error, "way_out", NoRoomError.way_out)
            raise StartError(f"journal: can't open {self._path}: {error}; {way_out}, or set journal.path") from error
        except BaseException:
            self.close_now()
            raise

    async def close(self, changes: Changes, end: int, tally: Tally) -> None:
        """Note how it was left, if the file can be written, and close it."""
        with suppress(DamagedError, NoRoomError):
            await self.run(lambda: self._store.write([], changes, end))
        await self.run(lambda: self._tell(tally))
        with suppress(DamagedError, NoRoomError):
            await self.run(self._store.close)
        self.close_now()

    def close_now(self) -> None:
        """Let go of thread and lock."""
        self._thread.shutdown()
        self._lock.release()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do something in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def write(self, entries: list[Stored], changes: Changes, end: int) -> None:
        """Note everything or nothing; on the disk when it returns, however long the disk is full."""
        began_s = time.perf_counter()
        await self._try(lambda: self._store.write(entries, changes, end), _FULL)
        self._metrics.journal_append_seconds.observe(time.perf_counter() - began_s)

    async def body(self, record: Record) -> bytes | None:
        """Give what was stored of a batch; None when it isn't there, is damaged, or can't be read."""
        return await self._try(lambda: self._body(record), _UNREAD)

    async def tell(self, tally: Tally) -> None:
        """Write the tally, if that can be done, and measure the file."""
        await self.run(lambda: self._tell(tally))

    def _tell(self, tally: Tally) -> None:
        with suppress(OSError):
            tally.write(self._path)
            files = (self._path, Path(f"{self._path}-wal"))
            self._metrics.journal_disk_bytes.set(sum(file.stat().st_size for file in files if file.exists()))

    def _body(self, record: Record) -> bytes | None:
        for _ in range(_READS):
            with suppress(UnreadableError):
                return self._store.body(record)
        return None

    def _open(self) -> tuple[Contents, Tally | None]:
        tally = Tally.read(self._path)
        aside = settle(self._path)
        try:
            contents = self._store.open()
        except DamagedError as error:
            recovered = self._begin_anew(error)
            self._store.open()
            return recovered.contents, tally
        if aside:  # whoever was killed there has not told what it cost
            self._set_aside("a recovery was cut short, and is ended now", Recovered(aside[-1], contents))
            return contents, tally
        return contents, tally and tally.lacking(contents)

    def _begin_anew(self, error: DamagedError, more: Iterable[Stored] = ()) -> Recovered:
        began_s = time.monotonic()
        with suppress(DamagedError, NoRoomError):
            self._store.close()
        recovered = recover(self._path, str(error), self._clock_ns(), more)
        self._set_aside(str(error), recovered, time.monotonic() - began_s)
        return recovered

    def _set_aside(self, why: str, recovered: Recovered, took_s: float = 0.0) -> None:
        self._metrics.journal_failures.labels("file").inc()
        log.error(
            "the journal's file was damaged and is set aside; what could be read of it is kept",
            error=why,
            file=str(recovered.aside),
            batches=len(recovered.contents.records),
            took_s=round(took_s, 2),
        )

    async def _try(self, work: Callable[[], Result], waiting: str) -> Result:
        """Do it in the thread, as soon as it can be done; `waiting` says what that means meanwhile."""
        while True:
            recoveries = self._recoveries
            try:
                result = await self._when_possible(work, waiting)
            except DamagedError as error:
                await self._recover(error, recoveries)
            else:
                return result

    async def _when_possible(self, work: Callable[[], Result], waiting: str) -> Result:
        try:
            while True:
                try:
                    result = await self.run(work)
                except NoRoomError as error:
                    await self._wait(error, waiting)
                else:
                    if waiting in self._problems:
                        log.info("the journal's file works again")
                    return result
        finally:
            self._problems.pop(waiting, None)

    async def _wait(self, error: NoRoomError, waiting: str) -> None:
        self._metrics.journal_failures.labels("disk").inc()
        said = f"{error} ({self._path}): {waiting}; {error.way_out}"
        if said != self._problems.get(waiting):
            log.error("the journal's file does not work now; it is tried again and again", error=said)
        self._problems[waiting] = said
        await asyncio.sleep(self._retry_s)
        with suppress(NoRoomError, DamagedError):
            await self.run(self._store.make_way)

    async def _recover(self, error: DamagedError, recoveries: int) -> None:
        """Begin the file anew, as soon as that can be done, unless it was since whatever failed began."""
        async with self._recovering:
            if self._recoveries != recoveries:
                return
            recovered = await self._when_possible(lambda: self._begin_anew(error, self._rescue()), _FULL)
            self._recoveries += 1
            self._recovered(recovered.contents)
            # What is damaged even then is begun anew by whoever comes next.
            with suppress(DamagedError):
                await self._when_possible(self._store.reopen, _FULL)
