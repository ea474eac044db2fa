"""Which adapters are installed: ours and yours, found by the entry-point group `telemetry.adapters`."""

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Only the adapters that a command needs are imported; this would import polars for all.
    from telemetry.plugin import Adapter

__all__ = ["adapters"]

_GROUP = "telemetry.adapters"


class _Installed(Mapping[str, "type[Adapter]"]):
    """Knows every name at once, imports each adapter when asked for it."""

    def __init__(self) -> None:
        self._entry_points = {entry.name: entry for entry in entry_points(group=_GROUP)}

    def __getitem__(self, name: str) -> "type[Adapter]":
        """Give the class. Raises KeyError when nothing has that name, ImportError when a package of it is missing."""
        adapter: type[Adapter] = self._entry_points[name].load()
        return adapter

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entry_points))

    def __len__(self) -> int:
        return len(self._entry_points)

    def __contains__(self, name: object) -> bool:
        return name in self._entry_points


def adapters() -> Mapping[str, "type[Adapter]"]:
    """Give the installed adapters by name. Looking one up imports it, and may raise ImportError."""
    return _Installed()
