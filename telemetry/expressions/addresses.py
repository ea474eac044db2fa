"""IP addresses and networks, looked at once per distinct value."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import polars as pl

from telemetry.expressions.kinds import BOOL, CIDR, IP, STRING
from telemetry.expressions.overloads import Overload

__all__ = ["overloads"]


def overloads() -> Iterator[Overload]:
    """Give ip(), cidr() and containsIP, as Kubernetes' CEL has them."""
    first = frozenset((0,))
    yield Overload("ip", (STRING,), IP, _literal, literals=first, method=False)
    yield Overload("ip", (STRING,), IP, lambda a: _per_distinct(a, _canonical, pl.String()), method=False)
    yield Overload("cidr", (STRING,), CIDR, _network, literals=first, method=False)
    for kind in (STRING, IP):
        yield Overload("containsIP", (CIDR, kind), BOOL, _contains, literals=first, method=True)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
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
