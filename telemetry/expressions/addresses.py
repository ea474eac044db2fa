"""IP addresses and networks, looked at once per distinct value."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import polars as pl

from telemetry.expressions.kinds import BOOL, CIDR, INT, IP, STRING
from telemetry.expressions.overloads import Overload

__all__ = ["overloads"]


def overloads() -> Iterator[Overload]:
    """Give ip(), isIP(), cidr(), containsIP and what an address may be asked, as Kubernetes' CEL has them."""
    first = frozenset((0,))
    yield Overload("isIP", (STRING,), BOOL, lambda a: _per_distinct(a, _is_address, pl.Boolean()), method=False)
    yield Overload("family", (IP,), INT, lambda a: _per_distinct(a, _family, pl.Int64()), method=True)
    for name, holds in _SORTS.items():
        yield Overload(name, (IP,), BOOL, _is_of(holds), method=True)
    yield Overload("ip", (STRING,), IP, _literal, literals=first, method=False)
    yield Overload("ip", (STRING,), IP, lambda a: _per_distinct(a, _canonical, pl.String()), method=False)
    yield Overload("cidr", (STRING,), CIDR, _network, literals=first, method=False)
    for kind in (STRING, IP):
        yield Overload("containsIP", (CIDR, kind), BOOL, _contains, literals=first, method=True)


_Address = IPv4Address | IPv6Address
_LINK_LOCAL_MULTICAST = {4: ip_network("224.0.0.0/24"), 6: ip_network("ff02::/16")}
_SORTS: dict[str, Callable[[_Address], bool]] = {
    "isLoopback": lambda address: address.is_loopback,
    "isUnspecified": lambda address: address.is_unspecified,
    "isLinkLocalUnicast": lambda address: address.is_link_local,
    "isLinkLocalMulticast": lambda address: address in _LINK_LOCAL_MULTICAST[address.version],
    "isGlobalUnicast": lambda address: not (
        address.is_loopback or address.is_unspecified or address.is_link_local or address.is_multicast
        or str(address) == "255.255.255.255"
    ),
}  # fmt: skip


def _is_of(holds: Callable[[_Address], bool]) -> Callable[[pl.Expr], pl.Expr]:
    def answer(text: str) -> bool | None:
        address = _address(text)
        return None if address is None else bool(holds(address))

    return lambda a: _per_distinct(a, answer, pl.Boolean())


def _is_address(text: str) -> bool:
    return _address(text) is not None


def _family(text: str) -> int | None:
    address = _address(text)
    return None if address is None else address.version


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id:
        return None  # a zone is of one host only
    # A dual-stack listener tells IPv4 clients so; the network they are in is IPv4's.
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _canonical(text: str) -> str | None:
    address = _address(text)
    return None if address is None else str(address)


def _literal(text: str) -> str:
    if (canonical := _canonical(text)) is None:
        raise ValueError(f'"{text}" is no IP address')
    return canonical


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as fault:
        raise ValueError(f"no network: {fault}") from None


def _contains(network: IPv4Network | IPv6Network, column: pl.Expr) -> pl.Expr:
    def contained(text: str) -> bool | None:
        address = _address(text)
        return None if address is None else address in network

    return _per_distinct(column, contained, pl.Boolean())


def _per_distinct(column: pl.Expr, answer: Callable[[str], object], dtype: pl.DataType) -> pl.Expr:
    def answered(texts: pl.Series) -> pl.Series:
        distinct = texts.drop_nulls().unique()
        answers = pl.Series([answer(text) for text in distinct], dtype=dtype)
        return texts.replace_strict(distinct, answers, default=None, return_dtype=dtype)

    return column.map_batches(answered, return_dtype=dtype, is_elementwise=True)
