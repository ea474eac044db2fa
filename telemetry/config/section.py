"""A section of the configuration: frozen, complete, and strict about unknown keys."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Section"]


class Section(BaseModel):
    """What all our settings have in common.

    Fields that hold a unit in their name have the file's key as alias: `deadline_s` is written `deadline`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_all_defaults(cls, value: Any) -> Any:  # noqa: ANN401 - a file may hold anything here
        # A section whose keys are all commented out reads as null.
        return {} if value is None else value
