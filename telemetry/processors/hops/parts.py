"""A request's time over both ends: the application's, the network's, the proxies' (docs/hops.md)."""

import polars as pl

from telemetry.attributes import DURATION

__all__ = ["HELD", "HOP_PARTS", "SHARES", "parts_of_both", "parts_of_server"]

HOP_PARTS = ("hop.client", "hop.retries", "hop.proxy", "hop.network", "hop.application")


def _sum(*columns: str) -> pl.Expr:
    return pl.sum_horizontal(pl.col(column).to_physical() for column in columns)


HELD = {
    "received": _sum("time.request_receive"),
    "retries": _sum("time.retries"),
    "handled": _sum("time.proxy_in", "time.proxy_out"),
    # Null where nobody upstream was waited for.
    "waited": pl.col("time.upstream_wait").to_physical() + pl.col("time.response_transfer").to_physical().fill_null(0),
}
"""What an entry says of its time, in ns: the four add up to its duration where `waited` is known."""

SHARES = tuple(HELD)


def _named(*parts: pl.Expr) -> list[pl.Expr]:
    known = [pl.when(_KNOWN).then(part) for part in parts]
    return [part.cast(DURATION).alias(name) for name, part in zip(HOP_PARTS, known, strict=True)]


_KNOWN = pl.col("waited").is_not_null()


def parts_of_both() -> list[pl.Expr]:
    """Take apart what the client waited for; the server's columns are named `server.…`.

    While the client's proxy waits, from its last byte out to the last byte in, the server has the request: what is
    not in the server's account was the network's. Durations only, each of one Envoy's monotonic clock.
    """
    waited = pl.when(pl.col("server.waited").is_not_null()).then("waited")
    # A server goes on after its client has left: what counts is what the client saw.
    application = pl.min_horizontal("server.waited", waited)
    server = pl.min_horizontal(pl.col("server.handled") + pl.col("server.retries"), waited - application)
    known = waited.is_not_null()
    parts = (
        pl.col("received"),
        pl.col("retries"),
        pl.col("handled") + server,
        waited - application - server,
        application,
    )
    return _named(*(pl.when(known).then(part) for part in parts))


def parts_of_server() -> list[pl.Expr]:
    """Take apart what the server alone knows: all but the network."""
    return _named(pl.col("received"), pl.col("retries"), pl.col("handled"), pl.lit(None, pl.Int64), pl.col("waited"))
