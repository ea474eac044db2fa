"""The plugin boundary: the one place where whatever was raised is caught."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Outcome", "boundary"]


@dataclass(slots=True)
class Outcome:
    """How the work inside a boundary ended: `error` is None when it went well."""

    error: Exception | None = None


@contextmanager
def boundary() -> Iterator[Outcome]:
    """Run what is inside, code of a plugin or on the data of strangers; its failure is the caller's to count.

    Cancellation passes through. The caller must look at `error`.
    """
    outcome = Outcome()
    try:
        yield outcome
    except Exception as error:  # noqa: BLE001 - what a plugin raises can't be known, and must cost only its own batch
        outcome.error = error
