"""The operations that an OpenAPI document names."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import polars as pl
import yaml

from telemetry.errors import ConfigError, Fault
from telemetry.operations.names import MAX_NAME
from telemetry.operations.routes import Operation, Routes, segments_of
from telemetry.operations.segments import MAX_SEGMENTS
from telemetry.operations.shapes import WORD, kinds

__all__ = ["MAX_DOCUMENT_BYTES", "Document", "load_document", "parse_document"]

MAX_DOCUMENT_BYTES = 16 << 20

_MAX_DEPTH = 200
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f?#]")


class Document:
    """A service's operations, to be matched.

    `operations`: by name (`GET /users/{id}`). `plain`: whether a path's values may be replaced by placeholders before
    it is matched, with the same outcome; true when every segment is a parameter or an ordinary word.
    """

    def __init__(self, routes: Routes, operations: Mapping[str, Operation]) -> None:
        self._routes = routes
        self.operations = dict(operations)
        words = pl.Series(sorted(routes.words), dtype=pl.String)
        self.plain = not routes.mixed and bool((kinds(words) == WORD).all())

    def match(self, method: str, segments: list[str]) -> Operation | None:
        """Give the operation of a path without query, cut at its slashes; None when the document has none."""
        return self._routes.match(method, segments)


def load_document(path: Path) -> Document:
    """Read an OpenAPI document (3.0 or 3.1, JSON or YAML). Raises ConfigError when it can't be used."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise _fault(str(path), "", f"can't be read: {error.strerror}") from None
    return parse_document(content, str(path))


def parse_document(content: bytes, file: str) -> Document:
    """Read the document from its bytes; `file` names it in errors. Raises ConfigError when it can't be used."""
    if len(content) > MAX_DOCUMENT_BYTES:
        raise _fault(file, "", "is larger than 16 MiB", "leave out all but `openapi`, `servers` and `paths`")
    return _Reader(file, _parsed(content, file)).document()


def _parsed(content: bytes, file: str) -> Any:  # noqa: ANN401 - a file may hold anything
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        _not_too_deep(content)
        return yaml.load(content, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError([Fault(file, line, column, "", f"is neither JSON nor YAML: {problem}")]) from None


def _not_too_deep(content: bytes) -> None:
    """Raise ValueError for deep nesting, which the loader in C would answer by overrunning its stack."""
    depth = 0
    for event in yaml.parse(content, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested more than {_MAX_DEPTH} deep")


class _Reader:
    """Takes a parsed document apart; every fault names the place."""

    def __init__(self, file: str, root: Any) -> None:  # noqa: ANN401
        self._file = file
        self._root = root

    def document(self) -> Document:
        root = self._mapping(self._root, "")
        version = root.get("openapi")
        if not re.match(r"3\.\d+(\.|$)", str(version)):
            raise self._fault("openapi", f"is {version!r}, not 3.x", "convert the document to OpenAPI 3")
        routes, operations = Routes(), {}
        for template, path_item in self._mapping(root.get("paths", {}), "paths").items():
            place = f"paths.{template}"
            item = self._resolved(path_item, place)
            for bases, method, operation in self._operations(item, self._template(template, place), place):
                operations[operation.name] = operation
                for base in bases:
                    routes.add(base + template, {method: operation})
        return Document(routes, operations)

    def _operations(
        self, item: Mapping[str, Any], template: str, place: str
    ) -> Iterator[tuple[list[str], str, Operation]]:
        for method in _METHODS:
            if method not in item:
                continue
            details = self._mapping(item[method], f"{place}.{method}")
            name = f"{method.upper()} {template}"
            if len(name) > MAX_NAME:
                raise self._fault(place, f"makes a name of more than {MAX_NAME} characters")
            identifier = details.get("operationId")
            bases = self._bases(details, item, self._root, place=f"{place}.{method}")
            yield bases, method.upper(), Operation(name, str(identifier) if identifier else None)

    def _template(self, template: object, place: str) -> str:
        if not isinstance(template, str) or not template.startswith("/") or _HIDDEN.search(template):
            raise self._fault(place, "is no path: it must begin with / and hold no ?, # or control character")
        if len(segments_of(template)) > MAX_SEGMENTS:
            raise self._fault(place, f"has more than {MAX_SEGMENTS} segments")
        return template

    def _bases(self, *levels: Mapping[str, Any], place: str) -> list[str]:
        """Give the base paths of the servers, those named nearest to the operation."""
        servers = next((level["servers"] for level in levels if level.get("servers")), None) or [{"url": "/"}]
        if not isinstance(servers, list):
            raise self._fault(place, "servers must be a list")
        return list(dict.fromkeys(self._base(self._mapping(server, "servers")) for server in servers))

    def _base(self, server: Mapping[str, Any]) -> str:
        variables = self._mapping(server.get("variables") or {}, "servers.variables")

        def default(match: re.Match[str]) -> str:
            return str(self._mapping(variables.get(match[1]) or {}, f"servers.variables.{match[1]}").get("default", ""))

        url = _VARIABLE.sub(default, str(server.get("url") or "/"))
        try:
            path = urlsplit(url).path.rstrip("/")
        except ValueError as error:
            raise self._fault("servers", f"{url!r} is no URL: {error}") from None
        return path if path.startswith("/") or not path else f"/{path}"

    def _resolved(self, item: Any, place: str) -> Mapping[str, Any]:  # noqa: ANN401
        """Follow a path item's $ref (within the document)."""
        own = self._mapping(item, place)
        reference = item.get("$ref")
        if reference is None:
            return own
        if not str(reference).startswith("#/"):
            raise self._fault(place, f"$ref leads to another file: {reference}", "bundle the document into one file")
        target: Any = self._root
        for step in str(reference)[2:].split("/"):
            target = self._mapping(target, str(reference)).get(step.replace("~1", "/").replace("~0", "~"))
        target = self._mapping(target, str(reference))
        if "$ref" in target:
            raise self._fault(str(reference), "is a $ref to a $ref")
        return {**target, **own}

    def _mapping(self, value: Any, place: str) -> dict[Any, Any]:  # noqa: ANN401
        if isinstance(value, dict):
            return value
        raise self._fault(place, "must be a mapping")

    def _fault(self, place: str, message: str, hint: str = "") -> ConfigError:
        return _fault(self._file, place, message, hint)


def _fault(file: str, place: str, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Fault(file, 1, 1, place, message, hint)])
