"""An adapter that takes entries and does nothing with them: what is left is our own cost."""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel, ConfigDict

from telemetry.batch import Batch, Template

ROOT = Path(__file__).parent.parent


class Null(AbstractAsyncContextManager["Null"]):
    """Takes everything at once."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    accepts = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        pass

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def export(self, batch: Batch) -> None:
        pass


def environment(folder: Path) -> dict[str, str]:
    """Give an environment in which the service finds the adapter `null`, as if it had been installed."""
    info = folder / "site" / "null-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: null\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[telemetry.adapters]\nnull = bench.null_sink:Null\n")
    paths = (str(info.parent), str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "POLARS_MAX_THREADS": "1"}
