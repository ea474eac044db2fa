"""Everything that can go wrong, in one tree.

TelemetryError
├── ConfigError      the configuration has faults; every one of them is listed        (exit 2)
├── StartError       the service can't start: a port is taken, a certificate unreadable (exit 1)
└── ExportError      raised by adapters
    ├── Retry        the sink may take the batch later; the batch stays in the journal
    ├── Rejected     the sink will never take these rows; they become dead letters
    │   └── TooLarge the sink takes less at a time; the batch is split and offered again
    └── Partial      the sink took some of the rows; only the others are offered again, or become dead letters

An adapter raises only those four. Whatever else escapes from it is taken for `Retry`: a lost
connection wrapped in the wrong class must never cost data.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "ConfigError",
    "ExportError",
    "Fault",
    "Partial",
    "Rejected",
    "Retry",
    "StartError",
    "TelemetryError",
    "TooLarge",
]


class TelemetryError(Exception):
    """The root: `except TelemetryError` catches all that this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a configuration file, with its place (1-based) and what to do about it."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        subject = f"{self.path}: " if self.path else ""
        return f"{place}: {subject}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(TelemetryError):
    """The configuration can't be used. `faults` lists every fault found, in file order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class StartError(TelemetryError):
    """The service can't start; the message says what holds it back and how to free it."""


class ExportError(TelemetryError):
    """An export did not succeed."""


class Retry(ExportError):  # noqa: N818 - what the adapter asks for, and reads so: raise Retry
    """The sink can't take the batch now. `after_s`: when the sink asked to be tried again."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Rejected(ExportError):  # noqa: N818 - likewise
    """The sink will never take the batch: retrying is useless. The message says what would help."""


class TooLarge(Rejected):
    """The batch is more than the sink takes at a time. Halves are offered; a single row becomes a dead letter."""


class Partial(ExportError):  # noqa: N818 - likewise
    """The sink has the batch but for these rows, given by their positions in it.

    `retry`: rows it may take later (`after_s`: when it asked to be tried again); `rejected`: rows it never will, and
    why. The message says what the sink said.
    """

    def __init__(
        self,
        message: str,
        *,
        retry: Collection[int] = (),
        rejected: Mapping[int, str] | None = None,
        after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retry = tuple(sorted(retry))
        self.rejected = dict(rejected or {})
        self.after_s = after_s
