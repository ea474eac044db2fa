"""Replay without a service: the handler of a configuration, and what was kept for it."""

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import typer

from telemetry import logs
from telemetry.cli.then import Then
from telemetry.config import Settings
from telemetry.delivery import terms_of
from telemetry.errors import StartError
from telemetry.journal.history import History
from telemetry.plugin import Adapter, Scraped
from telemetry.printable import printable
from telemetry.replay import Replay, Replayed
from telemetry.rules import Select, everything
from telemetry.rules.rules import Rules

__all__ = ["Request", "run"]

_SAY_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be replayed: the journal's history of a span of time (nanoseconds since 1970), else dead letters."""

    handler: str
    span_ns: tuple[int, int] | None
    folder: Path | None = None
    rules: bool = True
    limit_s: float | None = None


def run(request: Request, settings: Settings) -> Replayed:
    """Do it. Raises StartError, and ValueError that names the option or key which is wrong."""
    logs.configure(settings.log.level, settings.log.format, sys.stderr)
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    if request.handler not in settings.handlers:
        raise ValueError(f"no handler is named {request.handler}; there are: {', '.join(settings.handlers)}")
    return asyncio.run(_replay(request, settings))


async def _replay(request: Request, settings: Settings) -> Replayed:
    handler = settings.handlers[request.handler]
    async with handler.make() as adapter:
        if isinstance(adapter, Scraped):
            raise StartError(f"{request.handler} shows what the running service holds in memory; nothing can be sent")
        then, history = Then(), None
        one = _replay_to(request, settings, adapter, then)
        if request.span_ns is None:
            work = one.dead_letters(_files(request, settings))
        else:
            history = _history(settings)
            work = one.history(then.remembered(history.batches(*request.span_ns, handler.accepts)))
        _stop_on_sigterm()
        try:
            async with asyncio.timeout(request.limit_s):
                await work
        except (asyncio.CancelledError, TimeoutError):
            # Ctrl-C, SIGTERM or --give-up-after: what was done is told all the same.
            one.result.finished = False
        if history is not None:
            one.result.batches_damaged = history.damaged
    return one.result


def _replay_to(request: Request, settings: Settings, adapter: Adapter, then: Then) -> Replay:
    handler = settings.handlers[request.handler]
    select: Select = everything
    if request.rules:
        rules = Rules(settings.rules, settings.probes, clock_ns=then.now_ns)
        select = then.choosing(rules.select_for(request.handler, handler.accepts))
    return Replay(
        request.handler,
        adapter,
        terms_of(handler.delivery),
        select=select,
        secrets=handler.secrets(),
        progress=_Progress(),
    )


def _history(settings: Settings) -> History:
    """Give what the journal holds. Raises StartError when it is in memory."""
    path = settings.journal.path
    if path is None:
        raise StartError("the journal is in memory, which nobody else can read; set journal.path to have a history")
    return History(path)


def _files(request: Request, settings: Settings) -> list[Path]:
    """Give the dead letters, oldest first. Raises ValueError when there is no such folder."""
    kept = settings.dead_letters.folder(settings.journal.path)
    folder = request.folder or (kept / request.handler if kept else None)
    if folder is None:
        raise ValueError("dead_letters keeps nothing: set dead_letters.path, or name a folder with --folder")
    if request.folder is not None and not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name the one that holds the .arrow files")
    return sorted(folder.glob("*.arrow"))


def _stop_on_sigterm() -> None:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


class _Progress:
    """Says on stderr how far it is, once a second at most."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, result: Replayed) -> None:
        if time.monotonic() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = time.monotonic()
        trouble = f", failing: {printable(result.last_error)}" if result.failed_exports else ""
        typer.echo(
            f"{result.rows} rows read, {result.delivered} delivered, {result.rejected} rejected{trouble}", err=True
        )
