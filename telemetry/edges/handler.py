"""The built-in handler of edges: hands the journal's EDGE batches to the store, which lives longer."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from telemetry.batch import Batch, Template
from telemetry.edges.store import EdgeStore

__all__ = ["EdgeHandler"]


class EdgeHandler(AbstractAsyncContextManager["EdgeHandler"]):
    """An adapter. The store is entered and left by whoever made it: a reload that ends a handler doesn't close it."""

    class _Config(BaseModel):
        """Nothing: the store has the settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    Config: ClassVar[type[BaseModel]] = _Config
    accepts: ClassVar[frozenset[Template]] = frozenset({Template.EDGE})

    def __init__(self, store: EdgeStore) -> None:
        self._store = store

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: the store goes on."""

    async def export(self, batch: Batch) -> None:
        """Add the batch to the store, once. Raises Retry when the disk is full or busy."""
        await self._store.export(batch)
