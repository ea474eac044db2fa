"""The settings of the journal."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from telemetry.batch import Template
from telemetry.config.section import Section
from telemetry.options import Bytes, Loading, Seconds

__all__ = ["JournalSettings"]

_MIB, _GIB = 1 << 20, 1 << 30


def _beside_the_file(value: object, info: ValidationInfo) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise PydanticCustomError("file", "must be the name of a file, such as ./data/journal.db")
    return info.context.folder / value if isinstance(info.context, Loading) else Path(value)


File = Annotated[
    Path | None,
    BeforeValidator(_beside_the_file),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}),
]


class JournalSettings(Section):
    """What was received and is yet to be delivered."""

    path: File = Field(
        None,
        description="The file, on a local disk; its folder is made. null: in memory, and gone with the process.",
    )
    max_bytes: Bytes = Field(
        Bytes(256 * _MIB), ge=1 * _MIB, le=1024 * _GIB,
        description="The journal keeps no more than this, in memory or in its file.",
    )  # fmt: skip
    on_full: Literal["drop_oldest", "block"] = Field(
        "drop_oldest",
        description="drop_oldest: what the slowest handler has yet to take is given up, and counted. block: we stop "
        "reading, and Envoys hold back, then drop. A handler's delivery.on_full comes first.",
    )
    max_age_s: Seconds | None = Field(
        None, alias="max_age", ge=1, le=31_622_400,
        description="What a handler has not taken after this is given up, and counted as expired, but for handlers "
        "with on_full: block. Files only. null: any age.",
    )  # fmt: skip
    retention_s: Seconds = Field(
        0.0, alias="retention", ge=0, le=31_622_400,
        description="How long batches stay after they were appended, delivered or not, for replay, tap and diff. "
        "Without room they go first. Files only.",
    )  # fmt: skip
    retain: tuple[Template, ...] = Field(
        (), max_length=len(Template),
        description="Templates that are kept for that time though no handler takes them.",
    )  # fmt: skip
    tail_bytes: Bytes = Field(
        Bytes(64 * _MIB), ge=1 * _MIB, le=64 * _GIB,
        description="Memory for the newest batches of a file: who is up to date never waits for the disk.",
    )  # fmt: skip

    @field_validator("retain")
    @classmethod
    def _retained_for_a_while(cls, retain: tuple[Template, ...], info: ValidationInfo) -> tuple[Template, ...]:
        if retain and not info.data.get("retention_s", 1):
            raise PydanticCustomError("retain", "keeps nothing without a time: set journal.retention beside it")
        return retain
