"""An adapter whose back end says of each row what becomes of it; `telemetry serve` finds it by its entry point."""

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
from pydantic import BaseModel, ConfigDict

from telemetry.batch import Batch, Template
from telemetry.errors import Partial, Retry
from telemetry.options import ReadableFile
from telemetry.outgoing.http import HttpPoster
from telemetry.outgoing.tls import TlsFiles

__all__ = ["COLUMNS", "Numbered", "install"]

# What is sent of an entry, after its row number.
COLUMNS = ("request.id", "request.path", "response.code", "request.useragent", "response.size")


class Numbered:
    """Posts rows as JSON with their identity; the answer names the rows that are to come again, or never."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        url: str
        certificate: ReadableFile

    accepts = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._poster = HttpPoster(TlsFiles(self._config.certificate), timeout_s=5, max_answer_bytes=1 << 20)
        self._stack.push_async_callback(self._poster.aclose)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def export(self, batch: Batch) -> None:
        rows = zip(batch.row_numbers.to_list(), *(batch.rows[name].to_list() for name in COLUMNS), strict=True)
        identity = {"receiver": batch.receiver, "epoch": batch.epoch, "sequence": batch.sequence}
        answer = await self._poster.post(self._config.url, orjson.dumps({**identity, "rows": list(rows)}), {})
        if answer.status != 200:
            asked = answer.headers.get("retry-after")
            raise Retry(f"HTTP {answer.status}", after_s=float(asked) if asked else None)
        said = orjson.loads(answer.body)
        if said["retry"] or said["rejected"]:
            raise Partial("in part", retry=said["retry"], rejected=dict.fromkeys(said["rejected"], "not wanted"))


def install(folder: Path) -> Path:
    """Write what pip would leave of a package with this adapter; gives the folder that belongs on PYTHONPATH."""
    info = folder / "site" / "numbered-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numbered\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[telemetry.adapters]\nnumbered = {__name__}:{Numbered.__name__}\n")
    return info.parent
