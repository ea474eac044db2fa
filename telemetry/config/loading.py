"""Load a configuration file: settings, or every fault in it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from telemetry.config.document import Document, read
from telemetry.config.document import Path as KeyPath
from telemetry.config.handlers import Context, settings_class
from telemetry.config.settings import Settings
from telemetry.config.wording import hint_for_key, words
from telemetry.discovery import adapters
from telemetry.errors import ConfigError, Fault

if TYPE_CHECKING:
    from telemetry.plugin import Adapter

__all__ = ["load", "parse"]


def load(path: Path | None = None, *, installed: "Mapping[str, type[Adapter]] | None" = None) -> Settings:
    """Read a configuration file; no file means all defaults. Raises ConfigError with every fault found.

    `installed`: adapters by name, in place of those that entry points name.
    """
    if path is None:
        return parse(b"", "defaults", folder=Path.cwd(), installed=installed)
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Fault(str(path), 1, 1, "", f"can't be read: {reason}")]) from None
    return parse(content, str(path), folder=path.parent, installed=installed)


def parse(
    content: bytes, name: str, *, folder: Path, installed: "Mapping[str, type[Adapter]] | None" = None
) -> Settings:
    """Read a configuration from memory; `name` stands in its faults. Raises ConfigError with every fault found."""
    document = read(content)
    context = Context(folder, os.environ, adapters() if installed is None else installed)
    faults = [
        Fault(name, flaw.place.line, flaw.place.column, dotted(flaw.path), flaw.message) for flaw in document.flaws
    ]
    if document.readable:
        try:
            settings = Settings.model_validate(document.value, context=context, by_alias=True, by_name=False)
        except ValidationError as error:
            found = (_fault(details, document, context, name) for details in error.errors(include_url=False))
            # What can't be read is null to pydantic: one fault at one place is enough.
            unread = {(flaw.place.line, flaw.place.column) for flaw in document.flaws}
            faults += [fault for fault in found if (fault.line, fault.column) not in unread]
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return settings


def dotted(path: KeyPath) -> str:
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


def _fault(error: ErrorDetails, document: Document, context: Context, name: str) -> Fault:
    path = _path(error, document)
    of_key = error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",)
    hint = ""
    if error["type"] == "extra_forbidden":
        hint = hint_for_key(str(path[-1]), _known_keys(path[:-1], document.value, context))
    place = document.place(path, of_key=of_key)
    return Fault(name, place.line, place.column, dotted(path), words(error, document.at(path)), hint)


def _path(error: ErrorDetails, document: Document) -> KeyPath:
    """Give the steps of pydantic's location that are keys of the file: it names branches of unions, too."""
    path: KeyPath = ()
    for step in error["loc"]:
        if (*path, step) not in document.values:
            break
        path = (*path, step)
    if error["type"] == "missing":
        return (*path, error["loc"][-1])
    return (*path, "adapter") if error["type"] in {"unknown_adapter", "broken_adapter"} else path


def _known_keys(path: KeyPath, value: Any, context: Context) -> list[str]:  # noqa: ANN401 - a file may hold anything
    model: type[BaseModel] | None = Settings
    if path[:1] == ("handlers",):
        model, path = settings_class(context.adapters[value["handlers"][path[1]]["adapter"]]), path[2:]
    for step in path:
        model = _section(model, step) if model else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _section(model: type[BaseModel], key: str | int) -> type[BaseModel] | None:
    """Give the model of the section that `model` has under that key, if it is one."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            kinds = (field.annotation, *get_args(field.annotation))
            return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return None
