"""Adapters for tests of the configuration: the real interface, options of every kind."""

from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from telemetry.batch import Batch, Template
from telemetry.options import Bytes, Seconds, Secret


class Recorder(AbstractAsyncContextManager["Recorder"]):
    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)

        topic: str = "audit"
        limit: int = Field(10, ge=1, le=100)
        linger_s: Seconds = Field(1.0, alias="linger", le=60)
        chunk_bytes: Bytes = Bytes(1024)
        token: Secret | None = None

    accepts: ClassVar = frozenset({Template.LOGENTRY})

    def __init__(self, config: Config) -> None:
        self.config = config
        self.batches: list[Batch] = []

    async def __aexit__(self, *_: object) -> None:
        return None

    async def export(self, batch: Batch) -> None:
        self.batches.append(batch)


class Clashing(Recorder):
    class Config(BaseModel):
        delivery: str = "mine"


class Installed(dict[str, type[Recorder]]):
    """As discovery's mapping does, it knows names whose packages can't be imported."""

    def __getitem__(self, name: str) -> type[Recorder]:
        if name == "kafka":
            raise ModuleNotFoundError("No module named 'aiokafka'", name="aiokafka")
        return super().__getitem__(name)


INSTALLED = Installed(prometheus=Recorder, recorder=Recorder, clashing=Clashing, kafka=Recorder)
