"""How a request or connection ended: what its outcome and blame are told from."""

from dataclasses import dataclass
from enum import StrEnum

from telemetry.processors.flags import SHORT_NAMES

__all__ = ["Ending", "Outcome"]


class Outcome(StrEnum):
    """What became of a request (`response.outcome`)."""

    SUCCESS = "success"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    NONE = "none"
    """No response was sent."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One way to end. Absent is None; `side` is context.reporter.kind, `connected` that upstream has a connection.

    `told` is whether the entry could say how the request was answered: one that comes as a TCP entry can't.
    `details` is response.code_details, of a connection its termination's; `failure` is upstream.failure_reason.
    """

    protocol: str = "http"
    code: int | None = None
    grpc_status: int | None = None
    flags: int = 0
    details: str = ""
    failure: str = ""
    side: str = ""
    connected: bool = False
    told: bool = True

    def has_any(self, names: tuple[str, ...]) -> bool:
        """Tell whether one of these flags is set, by short name."""
        return any(self.flags >> SHORT_NAMES.index(name) & 1 for name in names)
