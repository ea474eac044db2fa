"""Both ends of an entry's connection: the client's, then the server's, whichever Envoy tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.processors.hops.hashes import Hashes, combined, texts

__all__ = ["READS", "Address", "addresses", "numbers"]

_OF_CLIENT = ("upstream.local", "upstream")
_OF_SERVER = ("downstream", "downstream.local")
_HOSTS = tuple(f"{end}.ip" for end in _OF_CLIENT + _OF_SERVER)
_TIMES = "mM"
Bools = npt.NDArray[np.bool_]
READS = tuple(f"{end}.{part}" for end in _OF_CLIENT + _OF_SERVER for part in ("ip", "port"))


@dataclass(frozen=True, slots=True)
class Address:
    """Hashes of hosts, and of hosts with ports; 0 where it is not known."""

    host: Hashes
    key: Hashes


def addresses(rows: pl.DataFrame, by_client: Bools, seed: int) -> tuple[Address, Address]:
    """Give the addresses that the connection is from, and to. `by_client`: which rows a client's Envoy tells."""
    hosts = texts(rows, _HOSTS, seed)
    first, second = (_address(rows, ends, hosts, by_client) for ends in zip(_OF_CLIENT, _OF_SERVER, strict=True))
    return first, second


def numbers(values: pl.Series) -> npt.NDArray[Any]:
    """Give numbers and times as they are in memory; 0 for null."""
    if values.null_count():
        # A cast is done at once, where to_physical would ask the query engine.
        values = (values.cast(pl.Int64) if values.dtype.is_temporal() else values).fill_null(0)
    plain = values.to_numpy()
    # To have numpy take a time for a number costs a twentieth of what it costs to have Polars do so.
    return plain.view(np.int64) if plain.dtype.kind in _TIMES else plain


def _address(rows: pl.DataFrame, ends: tuple[str, str], hosts: Mapping[str, Hashes], by_client: Bools) -> Address:
    host = np.where(by_client, *(hosts[f"{end}.ip"] for end in ends))
    key = combined(host, np.where(by_client, *(numbers(rows[f"{end}.port"]) for end in ends)))
    key *= host != 0
    return Address(host, key)
