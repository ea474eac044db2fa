"""What an operator can say about operations."""

import re
from typing import Annotated, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from telemetry.operations.methods import METHODS
from telemetry.operations.names import MAX_NAME

__all__ = ["OperationRule", "OperationsSettings"]

_GLOB = re.compile(r"(\*\*|\*)")
_GLOB_MEANING = {"**": ".*", "*": "[^/]*"}
_Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class OperationRule(BaseModel):
    """Requests whose path matches, and the operation that they are. Give `regex` or `glob`, which match whole paths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: _Pattern | None = Field(
        None, description="host of the services that it is for, a glob (`*.shop.svc.cluster.local`); null for all"
    )
    methods: tuple[str, ...] = Field((), description="methods that it is for, such as GET; empty for all")
    regex: _Pattern | None = Field(None, description="the path, in the syntax of Rust's regex crate")
    glob: _Pattern | None = Field(
        None, description="the path, where `*` stands for any text within a segment, `**` for any text"
    )
    operation: str = Field(
        pattern=r"^[^\x00-\x1f\x7f?]+$", max_length=MAX_NAME, description="the operation's name, used as it is written"
    )

    @property
    def path_regex(self) -> str:
        """The rule's regex, to search in a path."""
        return _whole(self.regex if self.regex is not None else glob_regex(self.glob or ""))

    @property
    def service_regex(self) -> str | None:
        """The regex to search in a service's host; None when the rule is for all."""
        return None if self.service is None else _whole(re.escape(self.service).replace(r"\*", ".*"))

    @field_validator("methods")
    @classmethod
    def _methods_are_known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            if method not in METHODS:
                raise ValueError(f"{method} is not among {', '.join(METHODS)}")
        return methods

    @field_validator("regex")
    @classmethod
    def _regex_can_be_compiled(cls, regex: str | None) -> str | None:
        try:
            pl.Series([""]).str.contains(_whole(regex or ""))
        except pl.exceptions.ComputeError as error:
            raise ValueError(str(error)) from None
        return regex

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.regex is None) is (self.glob is None):
            raise ValueError("give either regex or glob")
        return self


class OperationsSettings(BaseModel):
    """How requests get the name of their operation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="Fill request.operation.")
    rules: tuple[OperationRule, ...] = Field(
        (), max_length=1000, description="Operations by path; the first rule that matches names the operation."
    )
    max_operations_per_service: int = Field(
        200, ge=1, le=10_000,
        description="A service has no more operations than these; further ones are `{other}`. What documents and rules "
        "name comes first, and is never cut off.",
    )  # fmt: skip
    max_services: int = Field(
        500, ge=1, le=100_000,
        description="Services that are learned each for itself; further ones are learned as one. At most about 250 KiB "
        "each at 200 operations, when attacked; usually 10.",
    )  # fmt: skip
    max_children: int = Field(
        50, ge=1, le=10_000,
        description="A place in a path that has held more different words than these holds a value.",
    )  # fmt: skip


def glob_regex(glob: str) -> str:
    """Translate a glob over paths into a regex."""
    return "".join(_GLOB_MEANING.get(part) or re.escape(part) for part in _GLOB.split(glob))


def _whole(regex: str) -> str:
    return rf"(?s)\A(?:{regex})\z"
