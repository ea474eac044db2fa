"""Keeps who did what to what, and when, in files that show whether anybody has changed them since."""

import asyncio
import errno
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, ClassVar, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from telemetry.audit.checkpoint import Retention
from telemetry.audit.files import Folder
from telemetry.audit.formats import FORMATS
from telemetry.audit.keys import signer_of
from telemetry.audit.ledger import Ledger, Rotation
from telemetry.audit.uploading import Upload
from telemetry.batch import Batch, Template
from telemetry.boundary import boundary
from telemetry.errors import Retry
from telemetry.options import Bytes, OwnFolder, Seconds, Secret
from telemetry.urls import StorageUrl

__all__ = ["Audit"]

log = structlog.get_logger(__name__)

_UPLOAD_EVERY_S = 1.0
_UPLOAD_BACKOFF_S = 60.0
_CLOSE_S = 5.0
_Upload = Annotated[str, StorageUrl("set it in the environment, such as AWS_SECRET_ACCESS_KEY")]


class Audit(AbstractAsyncContextManager["Audit"]):
    """Accepts LOGENTRY; a row that comes again is kept once, after a restart too.

    The disk is one thread's, uploads are another's: neither stops the event loop. `clock_ns`: since 1970.
    """

    class Config(BaseModel):
        """What can be set."""

        model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

        directory: OwnFolder = Field(description="Where the files lie; its own, only this user may read it.")
        signing_key: Secret = Field(
            description="The Ed25519 private key in PEM, by reference; `telemetry audit keygen` makes one."
        )
        file_format: Literal["jsonl", "parquet"] = Field(
            "jsonl", alias="format", description="What finished files are: lines of JSON, or Parquet."
        )
        max_file_bytes: Bytes = Field(
            Bytes(64 << 20), ge=1024, le=1 << 32, description="An open file of that size is finished."
        )
        max_file_age_s: Seconds = Field(
            3600.0, alias="max_file_age", ge=1, le=31 * 86400, description="An open file of that age is finished."
        )
        keep_for_s: Seconds | None = Field(
            None, alias="keep_for", ge=60, description="Finished files older than that go. Not set: they stay."
        )
        keep_bytes: Bytes | None = Field(
            None, ge=1024, description="While finished files take more than that, the oldest go. Not set: they stay."
        )
        upload: _Upload | None = Field(
            None,
            description="Where finished files are copied to, as fsspec knows it: s3://bucket/audit, file:///mnt/audit. "
            "Credentials are the environment's. Files not copied yet are kept, whatever keep_for says.",
        )

    accepts: ClassVar[frozenset[Template]] = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._config = config
        folder = Folder(config.directory)
        rotation = Rotation(config.max_file_bytes, config.max_file_age_s)
        signer = signer_of(config.signing_key.get_secret_value())
        self.ledger = Ledger(folder, signer, FORMATS[config.file_format](), rotation, clock_ns)
        self.upload = Upload(folder, config.upload) if config.upload else None
        self._retention = Retention(config.keep_for_s, config.keep_bytes)
        self._disk = ThreadPoolExecutor(1, "audit-disk")
        self._uploads = ThreadPoolExecutor(1, "audit-upload")
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Audit":
        """Start the work that time asks for. A folder that is not there is the first export's trouble."""
        self._tasks = [asyncio.create_task(self._keep())]
        if self.upload is not None:
            self._tasks.append(asyncio.create_task(self._keep_uploading(self.upload)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the open file to the next process; wait for the disk, not for ever."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        with suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.wrap_future(self._disk.submit(self.ledger.close))
        self._disk.shutdown(wait=False)
        self._uploads.shutdown(wait=False, cancel_futures=True)

    async def export(self, batch: Batch) -> None:
        """Have the rows on disk, linked and signed.

        Raises Retry when the disk can't take them, or the folder is not what the last process left. Cancelled, the
        disk's thread goes on with it; the same batch, offered again, finds its rows there.
        """
        if not batch.rows.is_empty():
            await self._on_disk(lambda: self._add(batch))

    async def finish(self) -> None:
        """Finish the open file now, whatever its size and age. Raises Retry as export does."""
        await self._on_disk(self._finish)

    def _finish(self) -> None:
        self._opened()
        self.ledger.rotate(now=True)

    def _add(self, batch: Batch) -> None:
        self._opened()
        self.ledger.add(batch)

    def _opened(self) -> None:
        if not self.ledger.is_open:
            self.ledger.open()

    def _tend(self) -> None:
        """Finish a file that is due, let go of those that are too old."""
        if self.ledger.is_open or self.ledger.folder.path.exists():
            self._opened()
            self.ledger.rotate()
            kept = self.upload
            self.ledger.prune(self._retention, lambda name: kept is None or name in kept.done)

    async def _on_disk(self, work: Callable[[], None]) -> None:
        future: Future[None] = self._disk.submit(work)
        try:
            # Not cancelled with us: what the thread has begun it ends.
            await asyncio.shield(asyncio.wrap_future(future))
        except OSError as error:
            raise Retry(_said(error, self._config.directory)) from error
        except ValueError as error:
            raise Retry(f"audit: {error}") from error

    async def _keep(self) -> None:
        said = ""
        while True:
            await asyncio.sleep(min(1.0, self._config.max_file_age_s))
            with boundary() as outcome:
                await self._on_disk(self._tend)
            now = str(outcome.error or "")
            if now and now != said:
                log.warning("the audit's files can't be finished or let go; it will be tried again", error=now)
            said = now

    async def _keep_uploading(self, upload: Upload) -> None:
        said = ""
        while True:
            with boundary() as outcome:
                await asyncio.wrap_future(self._uploads.submit(upload.run))
            now = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else ""
            if now and now != said:
                log.warning("finished audit files can't be copied; it will be tried again", error=now)
            said = now
            await asyncio.sleep(_UPLOAD_BACKOFF_S if now else _UPLOAD_EVERY_S)


def _said(error: OSError, directory: Path) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"audit: the disk of {directory} is full; make room, or lower keep_bytes"
    return f"audit: {directory} can't be written: {error.strerror or error}"
