"""The plugin boundary: the one place where whatever was raised is caught."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from polars.exceptions import PanicException

__all__ = ["Failures", "Outcome", "boundary"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outcome:
    """How the work inside a boundary ended: `error` is None when it went well."""

    error: Exception | None = None


@contextmanager
def boundary() -> Iterator[Outcome]:
    """Run what is inside, code of a plugin or on the data of strangers; its failure is the caller's to count.

    Cancellation passes through; a panic of Polars, which is no Exception, does not. The caller must look at `error`.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:  # noqa: BLE001 - what a plugin raises can't be known, and must cost only its own batch
        outcome.error = error
    except PanicException as panic:
        outcome.error = RuntimeError(f"Polars panicked: {panic}")
        outcome.error.__cause__ = panic


class Failures:
    """Says each kind of failure once, with its traceback: it would come again with every batch, and is counted then."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, message: str, error: Exception, **about: object) -> None:
        """Log the failure, unless one of its kind and place has been."""
        kind = f"{type(error).__name__} at {_place(error)}"
        if kind not in self._said:
            self._said.add(kind)
            log.error(
                f"{message}; please report this (it is counted each time, and said once)", exc_info=error, **about
            )


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"
