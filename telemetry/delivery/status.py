"""How a handler stands, for people: what `/debug/pipelines` shows."""

from dataclasses import dataclass
from typing import Any, Literal

from telemetry.delivery.account import Account

__all__ = ["State", "Status"]

State = Literal["idle", "delivering", "retrying", "circuit_open"]


@dataclass(frozen=True, slots=True)
class Status:
    """One handler now. Times are nanoseconds since 1970; `last_error` stays after the handler has recovered."""

    handler: str
    adapter: str
    templates: tuple[str, ...]
    state: State
    cursor: int
    """Offset up to which the journal has been told that all is done."""
    lag_batches: int
    lag_s: float
    """Age of the oldest batch that is not done."""
    in_hand: int
    """Batches read from the journal and not committed."""
    rate_rows_per_s: float
    consecutive_failures: int
    last_error: str
    last_error_ns: int | None
    account: Account
    concurrency: int
    max_rows: int | None
    max_bytes: int | None
    dead_letters: str | None
    """The folder, None where rejected rows are dropped."""

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON's types."""
        account = self.account
        own = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "account"}
        rows = {name: getattr(account, name) for name in account.__dataclass_fields__}
        return own | {"templates": list(self.templates), "rows": rows | {"unaccounted": account.unaccounted}}
