"""Handlers that can't stand side by side: two that would write the same page, or the same folder."""

import os
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from telemetry.config.handlers import HandlerSettings

__all__ = ["fit_together"]

_BUILT_IN = "edges"


def fit_together(handlers: Mapping[str, HandlerSettings]) -> Mapping[str, HandlerSettings]:
    """Refuse two handlers that would write the same page or folder, and one with the name of the built-in handler."""
    if _BUILT_IN in handlers:
        raise PydanticCustomError("name", "edges is the handler that is built in; give yours another name")
    scraped = [name for name, handler in handlers.items() if handler.scraped]
    if len(scraped) > 1:
        names = " and ".join(scraped)
        raise PydanticCustomError(
            "twice", "{names} would both write the page /metrics; keep one of them", {"names": names}
        )
    if clashes := _clashes(handlers):
        raise ValidationError.from_exception_data("handlers", clashes)
    return handlers


def _clashes(handlers: Mapping[str, HandlerSettings]) -> list[InitErrorDetails]:
    """Give a fault for each place that names a folder which another handler has for its own."""
    users: dict[str, list[tuple[str, str]]] = {}
    for name, handler in handlers.items():
        for key, folder in handler.own_folders().items():
            users.setdefault(os.path.realpath(folder), []).append((name, key))
    return [
        InitErrorDetails(type=_shared(place, places), loc=place, input=folder)
        for folder, places in users.items() if len(places) > 1
        for place in places
    ]  # fmt: skip


def _shared(place: tuple[str, str], places: list[tuple[str, str]]) -> PydanticCustomError:
    others = " and ".join(f"handlers.{name}.{key}" for name, key in places if (name, key) != place)
    return PydanticCustomError("twice", "is {others}, too; give each handler a folder of its own", {"others": others})
