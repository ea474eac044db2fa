"""Whose network an address is in: the longest prefix wins."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Networks"]

Owner = TypeVar("Owner")
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Networks(Generic[Owner]):
    """Addresses and networks with their owners. Answers are remembered, at most `memory` of them.

    A table per length of prefix: a handful of look-ups settle any address, however many networks there are. That
    takes less than a tree in C would to be called with text, and `ipaddress` takes longer to read an address alone.
    """

    def __init__(self, owners: Iterable[tuple[str, Owner]], memory: int = 65_536) -> None:
        tables: dict[int, dict[int, dict[int, Owner]]] = {4: {}, 6: {}}
        for text, owner in owners:
            network = ipaddress.ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            tables[network.version].setdefault(shift, {})[int(network.network_address) >> shift] = owner
        self._tables = {version: sorted(found.items()) for version, found in tables.items()}
        self._empty = not any(self._tables.values())
        self._memory = memory
        self._remembered: dict[str, Owner | None] = {}

    def find(self, address: str) -> Owner | None:
        """Give the owner of the smallest network that holds the address; None for none, and for any other text."""
        if self._empty:
            return None
        try:
            return self._remembered[address]
        except KeyError:
            found = self._find(address)
        # Strangers' addresses have no end.
        if len(self._remembered) >= self._memory:
            self._remembered = {}
        self._remembered[address] = found
        return found

    def _find(self, address: str) -> Owner | None:
        version, number = _read(address)
        for shift, table in self._tables.get(version, ()):
            if (owner := table.get(number >> shift)) is not None:
                return owner
        return None


def _read(address: str) -> tuple[int, int]:
    """Read an address: its version and its bits. IPv4 inside IPv6 is IPv4; version 0 when it is no address."""
    try:
        if ":" not in address:
            return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, address))
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return 0, 0
    if packed.startswith(_MAPPED):
        return 4, int.from_bytes(packed[12:])
    return 6, int.from_bytes(packed)
