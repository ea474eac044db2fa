"""A request's time over both ends: the application's, the network's, the proxies' (docs/hops.md)."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.attributes import DURATION
from telemetry.processors.hops.addresses import numbers

__all__ = ["HELD", "HOP_PARTS", "SHARES", "UNKNOWN", "parts_of_both", "parts_of_server", "times_of"]

HOP_PARTS = ("hop.client", "hop.retries", "hop.proxy", "hop.network", "hop.application")
HELD = tuple(
    f"time.{name}"
    for name in ("request_receive", "retries", "proxy_in", "proxy_out", "upstream_wait", "response_transfer")
)
"""What an entry says of its time."""

SHARES = ("received", "retries", "handled", "waited")
"""The same summed up, in ns: the four add up to its duration where `waited` is known."""

UNKNOWN = -1
"""As `waited`: nobody upstream was waited for."""

Times = Mapping[str, npt.NDArray[np.int64]]


def times_of(rows: pl.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """Give SHARES of LOGENTRY rows."""
    received, retries, before, after, wait, transfer = (numbers(rows[name]) for name in HELD)
    waited = wait + transfer
    if rows["time.upstream_wait"].null_count():
        waited[rows["time.upstream_wait"].is_null().to_numpy()] = UNKNOWN
    return {"received": received, "retries": retries, "handled": before + after, "waited": waited}


def parts_of_both(client: Times, server: Times) -> list[pl.Series]:
    """Take apart what the client waited for.

    While the client's proxy waits, from its last byte out to the last byte in, the server has the request: what is
    not in the server's account was the network's. Durations only, each of one Envoy's monotonic clock.
    """
    waited = client["waited"]
    known = (waited != UNKNOWN) & (server["waited"] != UNKNOWN)
    # A server goes on after its client has left: what counts is what the client saw.
    application = np.minimum(server["waited"], waited)
    of_server = np.minimum(server["handled"] + server["retries"], waited - application)
    proxies, network = client["handled"] + of_server, waited - application - of_server
    return _named(known, client["received"], client["retries"], proxies, network, application)


def parts_of_server(server: Times) -> list[pl.Series]:
    """Take apart what the server alone knows: all but the network."""
    known, nothing = server["waited"] != UNKNOWN, np.zeros_like(server["waited"])
    parts = _named(known, server["received"], server["retries"], server["handled"], nothing, server["waited"])
    network = pl.Series("hop.network", [None], DURATION).new_from_index(0, len(known))
    return [network if part.name == network.name else part for part in parts]


def _named(known: npt.NDArray[np.bool_], *parts: npt.NDArray[np.int64]) -> list[pl.Series]:
    shown = pl.DataFrame({name: pl.Series(part).cast(DURATION) for name, part in zip(HOP_PARTS, parts, strict=True)})
    if not known.all():
        shown = shown.select_seq(pl.when(pl.Series(known)).then(pl.col(HOP_PARTS)).name.keep())
    return shown.get_columns()
