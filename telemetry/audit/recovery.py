"""Finds where the last process stopped, and undoes what it had begun and not linked."""

from collections import deque
from dataclasses import dataclass

from telemetry.audit.chain import Link, digest, link_of, read_line
from telemetry.audit.checkpoint import read_checkpoint
from telemetry.audit.files import HEAD, Folder, append, number_of
from telemetry.audit.keys import Signer, Trusted
from telemetry.audit.seen import MOST, Seen
from telemetry.audit.state import State

__all__ = ["recovered"]


@dataclass(frozen=True, slots=True)
class _Tail:
    """A chain file's whole lines: links with their hashes and lengths; `torn`: bytes of a line that has no end."""

    links: list[tuple[Link, str, int]]
    torn: int


def recovered(folder: Folder, signer: Signer, seen: Seen) -> State:
    """Give the state to go on from, fill `seen`, and cut off what was written without a link.

    Raises ValueError when the folder has less than the head says, or what this key has not signed: somebody has changed
    it, or the disk has lost it. Nothing is written then. OSError when the disk refuses.
    """
    trusted = Trusted.of_signer(signer)
    chains = folder.chains()
    state = _start(folder, trusted, chains)
    tail = _last(folder, trusted, chains, state)
    _agrees_with_head(folder, trusted, state)
    _remember(folder, chains, seen)
    _cut(folder, state, tail, chains)
    return state


def _start(folder: Folder, trusted: Trusted, chains: list[str]) -> State:
    """Give the state before the last chain file."""
    checkpoint = read_checkpoint(folder, trusted)
    state = State(checkpoint.number, checkpoint.sha256, checkpoint.file_number)
    if chains:
        state.file_number = number_of(chains[-1])
    return state


def _last(folder: Folder, trusted: Trusted, chains: list[str], state: State) -> _Tail:
    """Follow the last chain file that has a whole line."""
    if not chains:
        return _Tail([], 0)
    tail = _read(folder, chains[-1], trusted)
    if tail.links:
        state.name = chains[-1]
        for link, sha256, size in tail.links:
            state.follow(link, sha256, size)
        return tail
    # A new file's first link was never whole: the file before it is the last.
    state.file_number -= 1
    if len(chains) > 1:
        state.name = chains[-2]
        for link, sha256, size in _read(folder, chains[-2], trusted).links:
            state.follow(link, sha256, size)
    return tail


def _read(folder: Folder, name: str, trusted: Trusted) -> _Tail:
    lines = (folder / f"{name}.chain").read_bytes().splitlines(keepends=True)
    torn = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    try:
        links = [(link_of(read_line(line, trusted)), digest(line), len(line)) for line in lines]
    except ValueError as error:
        raise ValueError(f"{name}.chain: {error}; {_ADVICE}") from None
    return _Tail(links, len(torn))


_ADVICE = "run `telemetry audit verify`, then move the folder away: a new audit begins with an empty one"


def _agrees_with_head(folder: Folder, trusted: Trusted, state: State) -> None:
    path = folder / HEAD
    if not path.exists():
        # The first link is on disk before there is a head.
        if state.number > 1:
            raise ValueError(f"{path} is gone; {_ADVICE}")
        return
    try:
        head = read_line(path.read_bytes(), trusted)
        number = int(head["number"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error}; {_ADVICE}") from None
    if number > state.number or (number == state.number and head.get("sha256") != state.previous):
        raise ValueError(f"{path} knows of link {number}, the chain ends with {state.number}; {_ADVICE}")


def _remember(folder: Folder, chains: list[str], seen: Seen) -> None:
    """Learn which rows there are, from the newest chains."""
    kept: deque[list[Link]] = deque()
    links = 0
    for name in reversed(chains):
        lines = (folder / f"{name}.chain").read_bytes().splitlines(keepends=True)
        kept.appendleft([link_of(read_line(line, None)) for line in lines if line.endswith(b"\n")])
        links += len(lines)
        if links >= MOST:
            break
    for link in (link for some in kept for link in some if link.identity):
        seen.note(link.identity)


def _cut(folder: Folder, state: State, tail: _Tail, chains: list[str]) -> None:
    """Take away what was begun: it was never acknowledged, and comes again."""
    if tail.torn:
        append(folder / f"{chains[-1]}.chain", b"", sum(size for _, _, size in tail.links))
    if chains and not tail.links:
        (folder / f"{chains[-1]}.chain").unlink()
    for name in folder.parts():
        if name not in {state.name, state.unplaced}:
            (folder / f"{name}.part").unlink()
    for name in folder.begun():
        if name != f"{state.unplaced}.part.new":
            (folder / name).unlink()
    if state.name:
        part = folder / f"{state.name}.part"
        size = part.stat().st_size if part.exists() else 0
        if size < state.end:
            raise ValueError(f"{part} has {size} bytes, {state.end} are linked; {_ADVICE}")
        if size > state.end:
            append(part, b"", state.end)
