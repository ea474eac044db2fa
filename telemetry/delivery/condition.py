"""How a handler is doing, said once when it changes."""

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from telemetry.boundary import boundary
from telemetry.errors import Rejected, TooLarge
from telemetry.printable import printable

__all__ = ["Condition"]

log = structlog.get_logger(__name__)

_MAX_CHARACTERS = 500
_AGAIN_NS = 60_000_000_000
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")
_MASK = "**********"


@dataclass(slots=True)
class Condition:
    """What a handler's last export said. A failure is logged when it begins, when its kind changes, once a minute.

    `secrets` are masked wherever an error of the adapter is shown: a library may put its whole request there.
    """

    handler: str
    secrets: Collection[str] = ()
    clock_ns: Callable[[], int] = time.time_ns
    failing: bool = False
    worked: bool = False
    """Whether the sink has ever answered, if only that it won't take some rows."""
    last_error: str = ""
    last_error_ns: int | None = None
    _kind: str = ""
    _limits_said: bool = False
    _said_ns: dict[str, int] = field(default_factory=dict)

    def begin_anew(self) -> None:
        """Take in that the adapter is another: nothing is known of it yet."""
        self.worked = self._limits_said = False

    def words(self, error: Exception) -> str:
        """Say what went wrong, on one line, bounded, with nothing in it that must not be seen."""
        text = ""
        with boundary():  # an exception of a stranger may fail even at this
            text = str(error)
        return f"{type(error).__name__}: {self.fit_to_show(text)}"

    def fit_to_show(self, text: str) -> str:
        """Give what a stranger wrote: on one line, bounded, with no secret in it."""
        for secret in filter(None, self.secrets):
            text = text.replace(secret, _MASK)
        text = printable(_PASSWORD_IN_URL.sub(_MASK, text[: 4 * _MAX_CHARACTERS]))
        return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"

    def note(self, error: Exception | None, *, rows: int, template: str) -> str:
        """Take in how an export ended; gives the error in words, empty when there is none."""
        if error is None or (isinstance(error, TooLarge) and rows > 1):
            self._works_again()
            return ""
        said = self.remember(error)
        about = {"handler": self.handler, "template": template, "rows": rows, "error": said}
        if isinstance(error, Rejected):  # which is an answer: the sink itself does its work
            self._works_again()
            if self._due("rejected"):
                log.error("the sink will never take these rows", **about)
        else:
            kind = type(error).__name__
            if self._due("failed") or kind != self._kind:
                log.warning("export failed; it will be tried again", **about)
            self.failing, self._kind = True, kind
        return said

    def rules_failed(self, error: Exception) -> str:
        """Take in that the rules could not be applied to a batch; gives the error in words."""
        said = self.remember(error)
        if self._due("rules"):
            log.error("the rules could not be applied; please report this", handler=self.handler, error=said)
        return said

    def limits_failed(self, error: Exception) -> None:
        """Take in that the adapter's limits can't be used: said once, as they are asked for with every batch."""
        if not self._limits_said:
            self._limits_said = True
            log.error(
                "the adapter's limits can't be used; only those of the handler's delivery settings hold",
                handler=self.handler, error=self.words(error),
            )  # fmt: skip

    def letters_failed(self, error: BaseException, rows: int) -> None:
        """Take in that refused rows could not be kept."""
        if self._due("letters"):
            said = f"{type(error).__name__}: {self.fit_to_show(str(error))}"
            log.error("rejected rows could not be kept as dead letters; they are lost",
                      handler=self.handler, rows=rows, error=said)  # fmt: skip

    def remember(self, error: Exception) -> str:
        """Keep the error as the last one; gives it in words."""
        self.last_error, self.last_error_ns = self.words(error), self.clock_ns()
        return self.last_error

    def _due(self, what: str) -> bool:
        """Whether it is time to say this again: at first, then once a minute."""
        now_ns = self.clock_ns()
        due = now_ns - self._said_ns.get(what, now_ns - _AGAIN_NS) >= _AGAIN_NS
        if due:
            self._said_ns[what] = now_ns
        return due

    def _works_again(self) -> None:
        if self.failing:
            log.info("export works again", handler=self.handler)
            self._said_ns.pop("failed", None)
        self.failing, self.worked, self._kind = False, True, ""

    def circuit(self, *, is_open: bool, failures: int, pause_s: float) -> None:
        """Say that the circuit has opened or closed."""
        if is_open:
            log.warning(
                "the circuit is open: the sink has failed again and again, and is only probed from now on; "
                "what comes for it waits in the journal",
                handler=self.handler, failures=failures, pause_s=pause_s, error=self.last_error,
            )  # fmt: skip
        else:
            log.info("the circuit is closed: the sink answers again", handler=self.handler)
