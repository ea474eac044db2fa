"""The seals of finished files: their checksums, as others' tools read them."""

from collections.abc import Iterable, Iterator

from telemetry.audit.chain import last_line, read_line
from telemetry.audit.files import Folder

__all__ = ["sum_lines"]


def sum_lines(folder: Folder, names: Iterable[str]) -> Iterator[bytes]:
    """Give the line of each finished file as `sha256sum --check` reads it. Raises OSError, ValueError."""
    for name in names:
        seal = read_line(last_line(folder / f"{name}.chain"), None)
        yield f"{seal['sha256']}  {seal['file']}\n".encode()
