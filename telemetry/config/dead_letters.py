"""The settings of dead letters: where rows are kept that a sink will never take."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from telemetry.config.section import Section
from telemetry.options import Bytes, Loading

__all__ = ["DeadLetterSettings"]

_MIB = 1 << 20


def _beside_the_file(value: object, info: ValidationInfo) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise PydanticCustomError("file", "must be the name of a folder")
    return info.context.folder / value if isinstance(info.context, Loading) else Path(value)


Folder = Annotated[
    Path | None,
    BeforeValidator(_beside_the_file),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}),
]


class DeadLetterSettings(Section):
    """Where rows are kept that a sink will never take; a folder for each handler."""

    enabled: bool = Field(True, description="Keep them. false: rejected rows are dropped, and counted.")
    path: Folder = Field(
        None,
        description="The folder. null: dead-letters beside the journal; none where the journal is in memory, and "
        "rejected rows are dropped, and counted.",
    )
    max_bytes: Bytes = Field(
        Bytes(256 * _MIB), ge=_MIB, le=1 << 40,
        description="For each handler; the oldest files are given up for newer ones, and counted.",
    )  # fmt: skip

    def folder(self, journal: Path | None) -> Path | None:
        """Give the folder, `journal` being the journal's path, None for one in memory; None to keep nothing."""
        if not self.enabled:
            return None
        return self.path or (journal.parent / "dead-letters" if journal else None)
