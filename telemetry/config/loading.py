"""Load a configuration file: settings, or every fault in it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from telemetry.config.document import Path as KeyPath
from telemetry.config.document import read
from telemetry.config.faults import faults_of, flaws_of, in_order, known_keys
from telemetry.config.fitting import accepted_templates
from telemetry.config.handlers import Context, HandlerSettings, settings_class
from telemetry.config.settings import Settings
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
    found = adapters() if installed is None else installed
    context = Context(folder, os.environ, found, accepted_templates(document.value, found))
    faults = flaws_of(document, name)
    if document.readable:
        try:
            settings = Settings.model_validate(document.value, context=context, by_alias=True, by_name=False)
        except ValidationError as error:
            faults += faults_of(error, document, name, lambda path: _known_keys(path, document.value, context))
    if faults:
        raise ConfigError(in_order(faults))
    return settings


def _known_keys(path: KeyPath, value: Any, context: Context) -> list[str]:  # noqa: ANN401 - a file may hold anything
    if path[:1] == ("handlers",):
        # Without an adapter only what all handlers have was looked at.
        name = value["handlers"][path[1]].get("adapter")
        return known_keys(settings_class(context.adapters[name]) if name else HandlerSettings, path[2:])
    return known_keys(Settings, path)
