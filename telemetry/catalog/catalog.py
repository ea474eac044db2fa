"""The catalog at work: one file's services, read anew when the file changes."""

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

from telemetry.catalog.index import Index
from telemetry.catalog.loading import load
from telemetry.catalog.model import CatalogFile, Service
from telemetry.errors import ConfigError
from telemetry.mesh.workload import Workload
from telemetry.threads import in_own_thread

__all__ = ["Catalog", "Result"]

log = structlog.get_logger(__name__)

Result = Literal["changed", "same", "refused"]

# A refused file may be mended by what it names: an OpenAPI document that was missing.
_LOOKS_BEFORE_RETRY = 15
_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


class Catalog:
    """A catalog file's services. Making it reads the file, and raises ConfigError with every fault in it.

    A new state takes the old one's place in one step, so look-ups come from any thread. `generation` counts states:
    who remembers an answer asks again when it has changed. Changed OpenAPI documents make a new state, too. Without a
    file it is empty for ever.

    `reloaded`: told of each reading after the first.
    """

    def __init__(self, path: Path | None, reloaded: Callable[[Result], None] = lambda _: None) -> None:
        self._path = path
        self._reloaded = reloaded
        self._faults: tuple[str, ...] = ()
        self._looks = 0
        self._seen: _Stamp = ()
        self._settled: _Stamp = ()
        self._documents: list[Path] = []
        self._contents: list[bytes] = []
        self.generation = 0
        self.index = Index()
        if path:
            # Before the content: what changes in between is seen as a change.
            stamp = _stamp(path)
            self._take(load(path), stamp)

    # --- asked from any thread ------------------------------------------------------------------------------------

    @property
    def services(self) -> tuple[Service, ...]:
        """All services, in the file's order."""
        return self.index.services

    def service_named(self, key: str) -> Service | None:
        """Give the service of that name: `namespace/name`, or `name` for one without namespace."""
        return self.index.service_named(key)

    def service_of_host(self, host: str) -> Service | None:
        """Give the service of a host without port, in any case: its exact host first, else the longest wildcard."""
        return self.index.service_of_host(host)

    def service_of_address(self, address: str) -> Service | None:
        """Give the service that states that address, or the smallest network around it."""
        return self.index.service_of_address(address)

    def workload_of_address(self, address: str) -> Workload | None:
        """Give the workload behind that address."""
        return self.index.workload_of_address(address)

    # --- kept up to date ------------------------------------------------------------------------------------------

    async def run(self, interval_s: float = 2.0) -> None:
        """Look at the file every so often, for ever. The disk may be slow, and a catalog large: in a thread."""
        while self._path:
            await asyncio.sleep(interval_s)
            await in_own_thread(self.poll)

    def poll(self) -> None:
        """Read the file anew if it has changed, and stood still since the last look: editors write in pieces."""
        if self._path is None:
            return
        stamp = _stamp(self._path, *self._documents)
        still, self._seen = stamp == self._seen, stamp
        self._looks += 1
        if still and (stamp != self._settled or (self._faults and self._looks >= _LOOKS_BEFORE_RETRY)):
            self._settled = stamp
            self._looks = 0
            self._reload(self._path, stamp[:1])

    def _reload(self, path: Path, stamp: _Stamp) -> None:
        try:
            file = load(path)
        except ConfigError as error:
            self._refuse(path, tuple(str(fault) for fault in error.faults))
            return
        self._faults = ()
        changed = file.services != self.services or _contents(self._documents) != self._contents
        if changed:
            self._take(file, stamp)
            self.generation += 1
            log.info("the catalog has changed", file=str(path), services=len(file.services))
        self._reloaded("changed" if changed else "same")

    def _refuse(self, path: Path, faults: tuple[str, ...]) -> None:
        """Keep the old state, and say why: once."""
        if faults != self._faults:
            self._faults = faults
            log.error("the changed catalog has faults, so the old one stays", file=str(path), faults=list(faults))
            self._reloaded("refused")

    def _take(self, file: CatalogFile, stamp: _Stamp) -> None:
        self._documents = [service.openapi for service in file.services if service.openapi]
        self._seen = self._settled = stamp + _stamp(*self._documents)
        self._contents = _contents(self._documents)
        self.index = Index(file.services)


def _stamp(*paths: Path) -> _Stamp:
    """Tell one state of files from another without reading them; links are followed (Kubernetes swaps a link)."""
    return tuple(_stamp_of(path) for path in paths)


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size


def _contents(paths: list[Path]) -> list[bytes]:
    return [_content(path) for path in paths]


def _content(path: Path) -> bytes:
    try:
        return blake2b(path.read_bytes()).digest()
    except OSError:
        return b""
