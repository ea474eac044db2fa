"""What we log about ourselves: for people on a terminal, JSON lines for machines."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry.printable import printable

__all__ = ["Sparing", "configure"]

_MINUTE_S = 60.0

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure(
    level: Literal["debug", "info", "warning", "error"],
    style: Literal["auto", "console", "json"],
    stream: TextIO,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send all logs of this process to `stream`: ours, and those of libraries that use `logging`.

    `auto` means console on a terminal, JSON otherwise. Control characters in anything logged are escaped. What of ours
    comes again and again is left out (`Sparing`).
    """
    console = stream.isatty() if style == "auto" else style == "console"
    render = _for_people(colors=stream.isatty()) if console else [structlog.processors.JSONRenderer(_json)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            Sparing(clock),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class Sparing:
    """Lets each event through up to so many times a minute, as strangers may cause some; then counts those left unsaid.

    Their number stands with the first that is said again, as `unsaid`.
    """

    def __init__(self, clock: Callable[[], float], a_minute: int = 1000) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._began_s = clock()
        self._said: Counter[str] = Counter()
        self._unsaid: Counter[str] = Counter()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Pass the event on. Raises DropEvent when it has been said often enough."""
        if self._clock() - self._began_s >= _MINUTE_S:
            self._began_s = self._clock()
            self._said.clear()
        name = str(event.get("event"))
        self._said[name] += 1
        if self._said[name] > self._a_minute:
            self._unsaid[name] += 1
            raise structlog.DropEvent
        if unsaid := self._unsaid.pop(name, 0):
            event["unsaid"] = unsaid
        return event


def _for_people(*, colors: bool) -> list[Processor]:
    return [_escape, structlog.dev.ConsoleRenderer(colors=colors)]


def _json(event: object, **options: Any) -> str:  # noqa: ANN401 - whatever json.dumps takes
    # The one control character that JSON lets through.
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make whatever strangers sent us harmless on a terminal; JSON escapes it by itself."""
    return {
        printable(key): printable(value if isinstance(value, str) else repr(value), keep_newlines=key == "exception")
        for key, value in event.items()
    }
