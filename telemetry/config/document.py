"""A YAML file as plain values that remember their places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

__all__ = ["Document", "Flaw", "Path", "Place", "read"]

Path = tuple[str | int, ...]

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 64
_MAX_NODES = 20_000
"""Aliases count each time they are used: a few lines of them can stand for billions of values."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands, counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that no settings can be read from."""

    place: Place
    message: str
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What the file says: `value`, and the places of each value and of each key by path from the root."""

    value: object = None
    values: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, Place] = field(default_factory=dict)
    flaws: Sequence[Flaw] = ()
    readable: bool = True
    """False when nothing could be read, and `value` says nothing."""

    def at(self, path: Path) -> Any:  # noqa: ANN401 - a file may hold anything
        """Give what is written at that path; None when nothing is."""
        if path not in self.values:
            return None
        value: Any = self.value
        for step in path:
            value = value[step]
        return value

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Find the value (or key) at that path; when it isn't there, what would hold it."""
        if of_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.keys.get(path, Place()) if path and of_key else self.values.get(path, Place())


def read(content: bytes, *, max_bytes: int = _MAX_BYTES, max_nodes: int = _MAX_NODES) -> Document:
    """Read one YAML document; what is wrong with it is among `flaws`. An empty file is an empty mapping."""
    if len(content) > max_bytes:
        return _flawed(Place(), f"the file has {len(content)} bytes; such a file has at most {max_bytes}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_at(content[: error.start].decode(), error.start)
        return _flawed(place, f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8")
    return _read_text(text, max_nodes)


def _read_text(text: str, max_nodes: int) -> Document:
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return _Walk(loader, max_nodes).document(root) if root else Document({}, {(): Place()})
    except ReaderError as error:
        character = chr(error.character)
        return _flawed(_place_at(text, error.position), f"the character {character!r} is not allowed in YAML")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = ", ".join(part for part in (error.context, error.problem) if part)
        return _flawed(_place(mark) if mark else Place(), message.replace("\n", " "))
    finally:
        if loader:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML's, with an end to nesting: it would meet the interpreter's limit first."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            mark = self.get_mark()
            raise yaml.MarkedYAMLError(problem=f"more than {_MAX_DEPTH} levels of nesting", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Walk:
    """Turns nodes into values and notes their places."""

    def __init__(self, loader: _Loader, max_nodes: int) -> None:
        self._loader = loader
        self._max_nodes = max_nodes
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._flaws: list[Flaw] = []

    def document(self, root: yaml.Node) -> Document:
        value = self._value(root, ())
        return Document(value, self._values, self._keys, self._flaws)

    def _value(self, node: yaml.Node, path: Path) -> object:
        if len(self._values) >= self._max_nodes or len(path) > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="aliases stand for too much", problem_mark=node.start_mark)
        self._values[path] = _place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, object]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self._flaws.append(Flaw(place, "keys are plain words here", path))
                continue
            key = key_node.value
            if key in seen:
                self._flaws.append(Flaw(place, f"stands here twice, first in line {seen[key].line}", (*path, key)))
                continue
            seen[key] = self._keys[*path, key] = place
            yield key, self._value(value_node, (*path, key))

    def _scalar(self, node: yaml.Node, path: Path) -> object:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        # YAML reads 2026-01-01 as a date; no setting is one.
        if kind in {"str", "timestamp", "value"}:
            return node.value
        try:
            if kind in {"null", "bool", "int", "float"}:
                return self._loader.construct_object(node)
        except (ValueError, KeyError, IndexError):
            pass
        self._flaws.append(Flaw(_place(node.start_mark), f"{node.value[:40]!r} can't be read as {node.tag[:80]}", path))
        return None


def _flawed(place: Place, message: str) -> Document:
    return Document(flaws=(Flaw(place, message),), readable=False)


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_at(text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - before.rfind("\n"))
