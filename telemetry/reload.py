"""A changed configuration, taken by the running service as a difference, or refused whole."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from telemetry.boundary import boundary
from telemetry.config import Settings, load
from telemetry.config.changes import Change, changes, needing_restart
from telemetry.config.document import read as read_document
from telemetry.errors import ConfigError, Fault, TelemetryError
from telemetry.selfmetrics import SelfMetrics
from telemetry.threads import in_own_thread

__all__ = ["Outcome", "Reloading"]

log = structlog.get_logger(__name__)

_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reload ended: what changed (nothing, if the file says what it said), or why it was refused."""

    changes: tuple[Change, ...] = ()
    faults: tuple[str, ...] = ()
    seconds: float = 0.0


class Reloading:
    """Reads the file again when told to, or when it has changed, and has the service `apply` what differs.

    A file with faults, or with a change that needs a restart, changes nothing: it is logged and counted, and every
    fault is in the outcome. `apply` raises when it can't, and has then changed nothing either.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        apply: Callable[[Settings], Awaitable[None]],
        metrics: SelfMetrics,
        read: Callable[[Path], Settings] = load,
    ) -> None:
        self._read = read
        self._path = path
        self._settings = settings
        self._apply = apply
        self._metrics = metrics
        self._one_at_a_time = asyncio.Lock()
        self._hung_up = asyncio.Event()
        self._seen = _content(path)
        metrics.config_reload_successful.set(1)
        metrics.config_reload_success_time.set_to_current_time()

    def hang_up(self) -> None:
        """Reload for SIGHUP: to be called by the loop's signal handler."""
        self._hung_up.set()

    async def watch(self) -> None:
        """Look at the file each second, for ever. A link that is swapped, as Kubernetes does, is a change."""
        before = self._seen
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hung_up.wait(), _POLL_S)
                self._hung_up.clear()
                await self.reload("SIGHUP")
            now = await in_own_thread(_content, self._path)
            # Editors write in pieces: what has stood still since the last look is whole.
            if now == before and now != self._seen and now is not None:
                await self.reload("the file has changed")
            before = now

    async def reload(self, why: str) -> Outcome:
        """Read the file and apply it, or refuse it. `why` is for the log."""
        async with self._one_at_a_time:
            began = time.monotonic()
            self._seen = await in_own_thread(_content, self._path)
            with boundary() as attempt:
                found = await self._attempt()
                took_s = time.monotonic() - began
                self._tell_success(why, found, took_s)
                return Outcome(changes=tuple(found), seconds=took_s)
            return self._refuse(why, attempt.error)

    async def _attempt(self) -> list[Change]:
        settings = await in_own_thread(self._read, self._path)
        found = changes(self._settings, settings)
        if fixed := needing_restart(found):
            raise ConfigError(await in_own_thread(_faults, self._path, fixed))
        if found:
            await self._apply(settings)
            self._settings = settings
        return found

    def _tell_success(self, why: str, found: list[Change], took_s: float) -> None:
        self._metrics.config_reloads.labels("changed" if found else "same").inc()
        self._metrics.config_reload_successful.set(1)
        self._metrics.config_reload_success_time.set_to_current_time()
        log.info(
            "configuration reloaded" if found else "configuration read again; nothing has changed",
            why=why,
            file=str(self._path),
            changes=[str(change) for change in found],
            seconds=round(took_s, 3),
        )

    def _refuse(self, why: str, error: Exception | None) -> Outcome:
        faults = _said(error)
        self._metrics.config_reloads.labels("refused").inc()
        self._metrics.config_reload_successful.set(0)
        log.error(
            "the changed configuration can't be taken, so the old one stays",
            why=why,
            file=str(self._path),
            faults=list(faults),
            exc_info=None if isinstance(error, TelemetryError) else error,
        )
        return Outcome(faults=faults)


def _said(error: Exception | None) -> tuple[str, ...]:
    if isinstance(error, ConfigError):
        return tuple(str(fault) for fault in error.faults)
    return (str(error) if isinstance(error, TelemetryError) else f"{type(error).__name__}: {error}",)


def _faults(path: Path, fixed: list[Change]) -> list[Fault]:
    document = read_document(path.read_bytes())
    places = [(change, document.place(change.path)) for change in fixed]
    return [
        Fault(
            str(path),
            place.line,
            place.column,
            change.key,
            f"changed from {change.before} to {change.after}, which a running service can't take",
            "restart it, or change it back",
        )
        for change, place in places
    ]


def _content(path: Path) -> bytes | None:
    """Give what is in the file; None when it can't be read, which a swap may cause for a moment."""
    try:
        return path.read_bytes()
    except OSError:
        return None
