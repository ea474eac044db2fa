"""What pydantic found wrong with a document, as faults at their places."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from telemetry.config.document import Document, Path
from telemetry.config.wording import hint_for_key, words
from telemetry.errors import Fault

__all__ = ["dotted", "faults_of", "flaws_of", "in_order", "known_keys", "section"]

KnownKeys = Callable[[Path], Sequence[str]]


def flaws_of(document: Document, name: str) -> list[Fault]:
    """Give what nothing could be read from; `name`: the file's, as it stands in the faults."""
    return [Fault(name, flaw.place.line, flaw.place.column, dotted(flaw.path), flaw.message) for flaw in document.flaws]


def faults_of(error: ValidationError, document: Document, name: str, known: KnownKeys) -> list[Fault]:
    """Give a fault for each error. `known`: the keys that may stand at a path, for hints."""
    found = (_fault(details, document, known, name) for details in error.errors(include_url=False))
    # What can't be read is null to pydantic: one fault at one place is enough.
    unread = {(flaw.place.line, flaw.place.column) for flaw in document.flaws}
    return [fault for fault in found if (fault.line, fault.column) not in unread]


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Sort as they stand in the file."""
    return sorted(faults, key=lambda fault: (fault.line, fault.column))


def dotted(path: Path) -> str:
    """Write a path as people do: handlers.audit.topics[0]; strange keys in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w:-]{1,100}", step):
            text += f".{step}" if text else step
        else:
            text += f"[{step[:100]!r}]"
    return text


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Give the keys of the section at that path below `model`; those of a list's items go by any number."""
    found: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, str):
            found = section(found, step) if found else None
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Give the model of what `model` has under that key, of a list's items too, if it is one."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return next(_models(field.annotation), None)
    return None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - annotations are of any kind
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _fault(error: ErrorDetails, document: Document, known: KnownKeys, name: str) -> Fault:
    path = _path(error, document)
    of_key = error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",)
    hint = hint_for_key(str(path[-1]), known(path[:-1])) if error["type"] == "extra_forbidden" else ""
    place = document.place(path, of_key=of_key)
    return Fault(name, place.line, place.column, dotted(path), words(error, document.at(path)), hint)


def _path(error: ErrorDetails, document: Document) -> Path:
    """Give the steps of pydantic's location that are keys of the file: it names branches of unions, too."""
    path: Path = ()
    for step in error["loc"]:
        if (*path, step) not in document.values:
            break
        path = (*path, step)
    if error["type"] == "missing":
        return (*path, error["loc"][-1])
    return (*path, "adapter") if error["type"] in {"unknown_adapter", "broken_adapter"} else path
