"""What differs between two configurations, key by key."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from telemetry.config.faults import dotted

__all__ = ["Change", "changes", "needing_restart"]

# What the running service was built around: listeners, the files of journal and edges, and who is who.
_FIXED = (
    ("receiver", "name"),
    ("receiver", "grpc"),
    ("receiver", "coalesce"),
    ("receiver", "metrics"),
    ("http",),
    ("journal",),
    ("mesh",),
    ("dead_letters",),
    ("shutdown",),
    *(("edges", key) for key in ("enabled", "path", "max_kept_edges", "max_bytes")),
    *(("edges", key) for key in ("minutes_for", "ten_minutes_for", "hours_for")),
)
_ABSENT = "absent"
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value differs; the values are as a file would have them, secrets masked, long ones cut."""

    path: tuple[str | int, ...]
    before: str
    after: str

    @property
    def key(self) -> str:
        """The key's path as people write it: handlers.audit.topic."""
        return dotted(self.path)

    @property
    def needs_restart(self) -> bool:
        """Whether a running service can't take it."""
        return any(self.path[: len(fixed)] == fixed for fixed in _FIXED)

    def __str__(self) -> str:
        return f"{self.key}: {self.before} → {self.after}"


def changes(before: BaseModel, after: BaseModel) -> list[Change]:
    """Give what differs, in the order of the keys. A secret that has another value is a change of its masked form."""
    return [Change(path, _shown(old), _shown(new)) for path, old, new in _differences(before, after, ())]


def needing_restart(found: list[Change]) -> list[Change]:
    """Give those that a running service can't take."""
    return [change for change in found if change.needs_restart]


_Difference = tuple[tuple[str | int, ...], Any, Any]


def _differences(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[_Difference]:  # noqa: ANN401 - settings hold anything
    if before == after:
        return
    olds, news = _parts(before), _parts(after)
    if olds is None or news is None or type(before) is not type(after):
        yield path, before, after
        return
    for key in [*olds, *(key for key in news if key not in olds)]:
        yield from _differences(olds.get(key, _ABSENT), news.get(key, _ABSENT), (*path, key))


def _parts(value: object) -> Mapping[str | int, Any] | None:
    """Give what a value is made of, by key; None when it is one thing."""
    if isinstance(value, BaseModel):
        return {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
    return dict(value) if isinstance(value, Mapping) else None


def _shown(value: object) -> str:
    text = _text(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _text(value: object) -> str:
    if value == _ABSENT:
        return _ABSENT
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
