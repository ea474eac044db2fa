"""An adapter that does as it is told, with the real interface."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from pydantic import BaseModel, ConfigDict

from telemetry.batch import Batch, Template


class Sink(AbstractAsyncContextManager):
    """Keeps what it is given. `answers`: what the next exports do, in order: None takes the batch, an exception is
    raised, an event is waited for first. When they run out, everything is taken."""

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

    accepts = frozenset({Template.METRIC})

    def __init__(self, answers: Iterable[BaseException | asyncio.Event | None] = ()) -> None:
        self.taken: list[Batch] = []
        self.offered = 0
        self._answers = iter(answers)

    async def __aexit__(self, *_: object) -> None:
        return None

    async def export(self, batch: Batch) -> None:
        self.offered += 1
        answer = next(self._answers, None)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        self.taken.append(batch)

    @property
    def rows(self) -> int:
        return sum(len(batch.rows) for batch in self.taken)
