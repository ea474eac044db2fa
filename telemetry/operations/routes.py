"""Path templates in a tree by segments, matched most specific first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

__all__ = ["Operation", "Routes", "segments_of"]

_PARAMETER = re.compile(r"\{[^{}/]*\}")
_SAFE = "!$&'()*+,=:@~"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document: `GET /users/{id}`, and the operationId, which documents may leave out."""

    name: str
    operation_id: str | None = None


@dataclass(slots=True)
class _Node:
    words: dict[str, "_Node"] = field(default_factory=dict)
    mixed: dict[tuple[str, ...], "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    operations: dict[str, Operation] = field(default_factory=dict)


class Routes:
    """Templates and what they lead to. As OpenAPI has it, words are tried before parameters."""

    def __init__(self) -> None:
        self._root = _Node()
        self.words: set[str] = set()
        self.mixed = False
        """Whether a parameter shares its segment with text (`{name}.json`)."""

    def add(self, template: str, operations: Mapping[str, Operation]) -> None:
        """Add a template's operations, by method; what is there already stays."""
        node = self._root
        for segment in segments_of(template):
            node = self._child(node, segment)
        node.operations = {**operations, **node.operations}

    def match(self, method: str, segments: Sequence[str]) -> Operation | None:
        """Give the operation of a path; the most specific template that has the method wins."""
        return _find(self._root, method, segments, 0)

    def _child(self, node: _Node, segment: str) -> _Node:
        texts = tuple(quote(text, safe=_SAFE + "%") for text in _PARAMETER.split(segment))
        if len(texts) == 1:
            self.words.add(texts[0])
            return node.words.setdefault(texts[0], _Node())
        if not any(texts):
            node.parameter = node.parameter or _Node()
            return node.parameter
        self.mixed = True
        child = node.mixed.setdefault(texts, _Node())
        # Those with most text first: they are the most specific.
        node.mixed = dict(sorted(node.mixed.items(), key=lambda item: (-sum(map(len, item[0])), item[0])))
        return child


def segments_of(path: str) -> list[str]:
    """Cut a path or template into its segments, empty ones left out."""
    return [segment for segment in path.split("/") if segment]


def _find(node: _Node, method: str, segments: Sequence[str], at: int) -> Operation | None:
    if at == len(segments):
        return node.operations.get(method)
    for child in _candidates(node, segments[at]):
        found = _find(child, method, segments, at + 1)
        if found is not None:
            return found
    return None


def _candidates(node: _Node, segment: str) -> Iterator[_Node]:
    if segment in node.words:
        yield node.words[segment]
    for texts, child in node.mixed.items():
        if _fits(segment, texts):
            yield child
    if node.parameter is not None:
        yield node.parameter


def _fits(segment: str, texts: Sequence[str]) -> bool:
    """Whether the texts stand in the segment in this order, at least a character between them; in linear time."""
    first, *between, last = texts
    if not segment.startswith(first) or not segment.endswith(last):
        return False
    at, end = len(first), len(segment) - len(last)
    for text in between:
        at = segment.find(text, at + 1, end) + len(text)
        if at < len(text):
            return False
    return at < end
