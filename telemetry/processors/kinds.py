"""Which rows are of one kind: those whose clues agree, as far as the resolver will look at them.

What a stranger can choose freely (an address, a Host header, a server name) is a clue only where it can mean something;
elsewhere it is left out, so that a scanner's million values make one kind of entry, not a million.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from telemetry.columns import Columns
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.recognise import parse_route
from telemetry.mesh.resolve import Clues, Resolver, host_of_authority, may_name_service
from telemetry.node import Node
from telemetry.processors.clue_columns import ADDRESSES, NAMES, TEXTS, Rows
from telemetry.processors.words import Hashes, Numbers, Words, mixed

__all__ = ["PROTOCOLS", "Kinds"]

PROTOCOLS = ("http", "grpc", "tcp")

_PEERS = ("downstream_peer", "upstream_peer", "peer_principal", "local_principal")

# No workload's number: those count from 0.
_NOT_REACHED = (1 << 64) - 1

# What of a host header the resolver looks at, by the cluster that the request went to.
_NO_HOST, _SERVICE_HOST, _ANY_HOST, _UNTOLD = range(4)


class Kinds:
    """Tells kinds apart by a 64-bit hash of their clues, and gives the clues of a row that stands for its kind.

    `peers`: (clue, decoded column) pairs in the order to look at them. `seed` is random per process, so that nobody
    outside can aim for a collision; at a million kinds one happens by chance with probability 3e-8.
    """

    def __init__(
        self, resolver: Resolver, addresses: Addresses, *, seed: int, peers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._resolver = resolver
        self._addresses = addresses
        self._seed = seed
        self._peers = tuple(peers)

    def rows(self, columns: Columns, nodes: Sequence[Node], protocol: pl.Series) -> Rows:
        """Give the rows with what is known now of their addresses."""
        distinct = {ip for column in ADDRESSES.values() for ip in columns.dictionaries[column].to_list()}
        return Rows(columns, nodes, protocol, {ip: self._addresses.look_up(ip) for ip in distinct})

    def words(self, rows: Rows) -> Hashes:
        """Give each row a number for its clues as they stand: rows of one number are of one kind.

        The same in every chunk, as long as addresses mean the same and `resolver` knows the same.
        """
        names = (*ADDRESSES.values(), *TEXTS.values(), *NAMES, *(column for _, column in self._peers))
        words = Words(rows.columns, rows.nodes, names, self._seed)
        numbers = {ip: number for ip, (number, _) in rows.known.items()}
        words.tell_node(lambda node: node.number)
        words.tell_small(rows.protocol.to_numpy())
        for column in ADDRESSES.values():
            # Whether there was an upstream at all matters, too.
            absent = _NOT_REACHED if column == "upstream_remote_address" else 0
            words.tell_value(column, numbers.__getitem__, absent)
        for column in (*TEXTS.values(), *(column for _, column in self._peers), "route_name", "tls_sni_hostname"):
            words.tell_text(column)
        words.tell_text("authority", where=self._weights(words) != _NO_HOST)
        return words.word

    def _weights(self, words: Words) -> Numbers:
        """Say for each row what of its host header matters."""
        told = words.of_value("upstream_cluster", self._weight_of_cluster, absent=_UNTOLD)
        any_host = words.of_value("route_name", _is_special_route) > 0
        untold = told == _UNTOLD
        if untold.any():
            # Where no cluster was chosen, a sidecar's own application may still have named a service, as a route may
            # have known it where hosts name services; a gateway's clients name what they like.
            unchosen = words.of_node(lambda node: _NO_HOST if self._resolver.is_gateway(node) else _SERVICE_HOST)
            known = ~words.absent("route_name") & (words.of_node(self._resolver.named_by_host) > 0)
            any_host |= untold & known
            told = np.where(untold, unchosen, told)
        return np.where(any_host, np.uint64(_ANY_HOST), told)

    def hashes(self, rows: Rows) -> Hashes:
        """Give each row the number of its kind."""
        reached = rows.columns.rows["upstream_remote_address"].is_not_null()
        parts = [
            rows.of_node(lambda node: node.number, pl.UInt64),
            rows.protocol.cast(pl.UInt64),
            reached.cast(pl.UInt64),
            _routed(rows).cast(pl.UInt64),
            *(rows.of_value(column, lambda ip: rows.known[ip][0], pl.UInt64) for column in ADDRESSES.values()),
            *(self._hashed(rows, column) for column in (*TEXTS.values(), *(column for _, column in self._peers))),
            rows.of_value("route_name", lambda name: _hash(_meaningful_route(name)), pl.UInt64),
            *self._named(rows, _hash, pl.UInt64),
        ]
        return mixed([part.fill_null(0).to_numpy() for part in parts])

    def clues(self, rows: Rows, at: npt.NDArray[np.integer]) -> list[Clues]:
        """Give the clues of some rows: only what `hashes` has looked at, so that a kind has one answer."""
        some = rows.at(at)
        values = some.columns.values
        answers: dict[str, list[Any]] = {clue: values(column).to_list() for clue, column in TEXTS.items()}
        answers |= {clue: self._known_addresses(some, column) for clue, column in ADDRESSES.items()}
        answers["client"] = [some.workload(ip) for ip in answers["client_ip"]]
        answers["server"] = [some.workload(ip) for ip in answers["server_ip"]]
        answers |= self._peer_values(some)
        answers["route"] = some.of_value("route_name", _meaningful_route, pl.String).to_list()
        answers["authority"], answers["sni"] = (named.to_list() for named in self._named(some, str, pl.String))
        answers["routed"] = _routed(some).to_list()
        answers["reached"] = some.columns.rows["upstream_remote_address"].is_not_null().to_list()
        answers["node"] = [some.nodes[index] for index in some.columns.rows["node"].to_list()]
        answers["protocol"] = [PROTOCOLS[code] for code in some.protocol.to_list()]
        return [Clues(**dict(zip(answers, row, strict=True))) for row in zip(*answers.values(), strict=True)]

    def _hashed(self, rows: Rows, column: str) -> pl.Series:
        values = rows.columns.dictionaries[column]
        if values.is_empty():
            return pl.zeros(len(rows.protocol), pl.UInt64, eager=True)
        return values.hash(self._seed).gather(rows.columns.rows[column])

    @staticmethod
    def _known_addresses(rows: Rows, column: str) -> list[str | None]:
        return rows.of_value(column, lambda ip: ip if rows.known[ip][0] else None, pl.String).to_list()

    def _peer_values(self, rows: Rows) -> dict[str, list[Any]]:
        """Give for each peer clue the first of its columns (one per Istio generation) that has a value."""
        answers: dict[str, list[Any]] = {clue: [None] * len(rows.columns.rows) for clue in _PEERS}
        for clue, column in self._peers:
            found = rows.columns.values(column).to_list()
            answers[clue] = [one or other for one, other in zip(answers[clue], found, strict=True)]
        return answers

    def _weight(self, rows: Rows) -> pl.Series:
        return pl.Series(self._weights(Words(rows.columns, rows.nodes, ("upstream_cluster", "route_name"), self._seed)))

    def _weight_of_cluster(self, name: str) -> int:
        cluster = self._resolver.cluster_name(name)
        if cluster is None:
            return _ANY_HOST
        if cluster.host or (cluster.service and not cluster.names_workload):
            return _NO_HOST
        return _SERVICE_HOST if cluster.direction == "inbound" else _ANY_HOST

    def _named(
        self, rows: Rows, told: Callable[[str], object], dtype: type[pl.DataType]
    ) -> tuple[pl.Series, pl.Series]:
        """Give each row its host header (without port) and its server name, each where it matters; else null.

        They are given as `told` tells them, which is asked once per distinct value.
        """
        weight = self._weight(rows)
        authority = pl.when(pl.Series(weight != _NO_HOST)).then("authority").alias("authority")
        rows = replace(rows, columns=replace(rows.columns, rows=rows.columns.rows.with_columns(authority)))

        def of_value(column: str, meaning: Callable[[str], str | None]) -> pl.Series:
            return rows.of_value(column, lambda value: None if (one := meaning(value)) is None else told(one), dtype)

        frame = pl.DataFrame({
            "weight": weight,
            "host": of_value("authority", host_of_authority),
            "service": of_value("authority", _service_host),
            "cluster": of_value("tls_sni_hostname", self._sni_of_cluster),
            "sni": of_value("tls_sni_hostname", str),
        })  # fmt: skip
        any_name = pl.col("weight") == _ANY_HOST
        host = pl.when(any_name).then("host").when(pl.col("weight") == _SERVICE_HOST).then("service")
        # A server name names a cluster, or it is all there is.
        alone = pl.when(pl.col("host").is_null() & any_name).then("sni")
        named = frame.select(host=host, sni=pl.coalesce("cluster", alone))
        return named["host"], named["sni"]

    def _sni_of_cluster(self, sni: str) -> str | None:
        cluster = self._resolver.cluster_name(sni)
        return sni if cluster and cluster.host else None


def _routed(rows: Rows) -> pl.Series:
    return rows.columns.rows["route_name"].is_not_null()


def _meaningful_route(name: str) -> str | None:
    return name if parse_route(name) is not None else None


def _is_special_route(name: str) -> bool:
    route = parse_route(name)
    return route is not None and route.special


def _service_host(authority: str) -> str | None:
    host = host_of_authority(authority)
    return host if may_name_service(host) else None


def _hash(text: str | None) -> int | None:
    # Python seeds the hash of text per process.
    return None if text is None else hash(text) & _ALL_BITS


_ALL_BITS = (1 << 64) - 1
