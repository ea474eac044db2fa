"""Which plugins are installed: ours and yours, found by the groups `telemetry.adapters` and `telemetry.processors`."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    # Only the adapters that a command needs are imported; this would import polars for all.
    from telemetry.plugin import Adapter, Processor

__all__ = ["adapters", "processors"]

Plugin = TypeVar("Plugin")


class _Installed(Mapping[str, Plugin]):
    """Knows every name of a group at once, imports each plugin when asked for it."""

    def __init__(self, group: str) -> None:
        self._entry_points = {entry.name: entry for entry in entry_points(group=group)}

    def __getitem__(self, name: str) -> Plugin:
        """Give the class. Raises KeyError when nothing has that name, ImportError when a package of it is missing."""
        plugin: Plugin = self._entry_points[name].load()
        return plugin

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entry_points))

    def __len__(self) -> int:
        return len(self._entry_points)

    def __contains__(self, name: object) -> bool:
        return name in self._entry_points


def adapters() -> Mapping[str, "type[Adapter]"]:
    """Give the installed adapters by name. Looking one up imports it, and may raise ImportError."""
    return _Installed("telemetry.adapters")


def processors() -> Mapping[str, "Callable[[], Processor]"]:
    """Give the installed processors of others by name: what makes one. Looking one up imports it, as with adapters."""
    return _Installed("telemetry.processors")
