"""What we log about ourselves: for people on a terminal, JSON lines for machines."""

import json
import logging
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from telemetry.printable import printable

__all__ = ["configure"]

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
) -> None:
    """Send all logs of this process to `stream`: ours, and those of libraries that use `logging`.

    `auto` means console on a terminal, JSON otherwise. Control characters in anything logged are escaped.
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
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


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
