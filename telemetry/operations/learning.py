"""A service's paths as a tree of segments, where a node with too many children learns that they are values."""

from collections.abc import Collection, Iterator, Sequence

from telemetry.operations.segments import mix_one
from telemetry.operations.shapes import KEYS, PLACEHOLDERS, VALUE

__all__ = ["Tree"]

_VALUE = PLACEHOLDERS[VALUE]
_VALUE_KEY = int(KEYS[VALUE])


class _Node:
    """A segment: its key (the hash of its text or kind), and what follows it."""

    __slots__ = ("children", "collapsed", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        self.children: dict[str, _Node] = {}
        self.collapsed = False

    def words(self) -> list[str]:
        return [name for name in self.children if _is_word(name)]


class Tree:
    """Learns templates from paths: what was once a value stays one, so a template never splits again.

    `root`: hash from which the paths of this tree are hashed on. `max_children`: more different words than that in one
    place are values. `max_nodes`: what does not fit into so many nodes is not learned.
    """

    def __init__(self, root: int, *, max_children: int, max_nodes: int) -> None:
        self._prefix = root
        self._max_children = max_children
        self._max_nodes = max_nodes
        self._root = _Node(root)
        self._size = 0
        self.collapsed: Collection[int] = ()
        """Hashes (as Segments.walk makes them) of the prefixes after which every word is a value."""

    def __len__(self) -> int:
        return self._size

    def learn(self, segments: Sequence[str], keys: Sequence[int]) -> bool:
        """Take a path in, values already as placeholders; say whether templates have changed by it."""
        node, changed = self._root, False
        for text, key in zip(segments, keys, strict=True):
            name = _VALUE if node.collapsed and _is_word(text) else text
            child = node.children.get(name)
            if child is None:
                if self._size >= self._max_nodes:
                    break
                child = node.children[name] = _Node(_VALUE_KEY if name == _VALUE else key)
                self._size += 1
                if _is_word(name) and len(node.words()) > self._max_children:
                    self._collapse(node)
                    self._size = sum(1 for _ in _below(self._root))
                    child, changed = node.children[_VALUE], True
            node = child
        if changed:
            self.collapsed = list(_collapsed(self._root, self._prefix))
        return changed

    def template(self, segments: Sequence[str]) -> list[str] | None:
        """Give the template of a path, None when it isn't in the tree."""
        node, template = self._root, []
        for text in segments:
            name = _VALUE if node.collapsed and _is_word(text) else text
            if name not in node.children:
                return None
            node = node.children[name]
            template.append(name)
        return template

    def _collapse(self, node: _Node) -> None:
        """Make one value of all the words that follow this node, and one subtree of theirs."""
        words = [node.children.pop(name) for name in node.words()]
        node.collapsed = True
        value = node.children.setdefault(_VALUE, _Node(_VALUE_KEY))
        for child in words:
            self._absorb(value, child)

    def _absorb(self, into: _Node, other: _Node) -> None:
        for text, child in other.children.items():
            name = _VALUE if into.collapsed and _is_word(text) else text
            if name in into.children:
                self._absorb(into.children[name], child)
            else:
                into.children[name] = child
                child.key = child.key if name == text else _VALUE_KEY
        if (other.collapsed and not into.collapsed) or len(into.words()) > self._max_children:
            self._collapse(into)


def _is_word(name: str) -> bool:
    return name[0] != "{"


def _below(node: _Node) -> Iterator[_Node]:
    for child in node.children.values():
        yield child
        yield from _below(child)


def _collapsed(node: _Node, prefix: int) -> Iterator[int]:
    if node.collapsed:
        yield prefix
    for child in node.children.values():
        yield from _collapsed(child, mix_one(prefix, child.key))
