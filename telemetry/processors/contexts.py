"""One answer per distinct kind of entry: rows to clues to hops, remembered between batches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from telemetry.attributes import by_name
from telemetry.columns import Columns
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.istio import parse_cluster
from telemetry.mesh.resolve import Clues, Hop, Resolver, host_of_authority, may_name_service
from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["CONTEXT_ATTRIBUTES", "PROTOCOLS", "Contexts", "peer_columns"]

PROTOCOLS = ("http", "grpc", "tcp")

# Which decoded column answers which clue. Addresses and routes go by a small number of their own (below), so that a
# million strangers' addresses make one kind of entry, not a million.
_TEXTS = {
    "cluster": "upstream_cluster",
    "peer_sans": "tls_peer_uri_sans",
    "local_sans": "tls_local_uri_sans",
}
_ADDRESSES = {
    "client_ip": "downstream_direct_remote_address",
    "local_ip": "downstream_local_address",
    "server_ip": "upstream_remote_address",
    "upstream_local_ip": "upstream_local_address",
}
_ROUTES = {"block_all": 1, "allow_any": 2}

_SIDES = ("source", "destination")
_WORKLOAD = {
    "name": "instance",
    "namespace": "namespace",
    "owner": "owner",
    "workload.name": "name",
    "workload.namespace": "namespace",
    "app": "app",
    "version": "version",
    "canonical.service": "canonical_service",
    "canonical.revision": "canonical_revision",
    "cluster.id": "cluster",
}

CONTEXT_ATTRIBUTES: tuple[str, ...] = (
    "context.protocol",
    "context.reporter.kind",
    "context.reporter.uid",
    "context.proxy_version",
    "context.log_name",
    *(f"{side}.{name}" for side in _SIDES for name in ("principal", "resolved_by", *_WORKLOAD)),
    "destination.service.host",
    "destination.service.name",
    "destination.service.namespace",
    "connection.mtls",
    "connection.security_policy",
)
_SCHEMA = {name: by_name(name).dtype for name in CONTEXT_ATTRIBUTES}


def peer_columns(filter_state: Sequence[str]) -> list[tuple[str, str]]:
    """Give (clue, decoded column) for each filter-state key that holds a peer, in the order to look at them."""
    clues = ("downstream_peer", "upstream_peer")
    return [(clue, f"filter_state.{key}") for key in filter_state for clue in clues if clue in key]


class Contexts:
    """Gives each row the key of its kind, and each kind its attributes.

    A kind is told by a 64-bit hash of its clues (seeded per process, so nobody outside can aim for a collision; at a
    million kinds one happens by chance with probability 3e-8). At `limit` kinds the memory is cleared and refilled.
    """

    def __init__(
        self,
        resolver: Resolver,
        addresses: Addresses,
        *,
        seed: int,
        limit: int = 65_536,
        peers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._resolver = resolver
        self._addresses = addresses
        self._seed = seed
        self._limit = limit
        self._peers = tuple(peers)
        self._slots: dict[int, int] = {}
        self._table = pl.DataFrame(schema=_SCHEMA)
        self.resolved_total = 0
        self.cleared_total = 0

    def __len__(self) -> int:
        return len(self._slots)

    def attributes(self, columns: Columns, nodes: Sequence[Node], protocol: pl.Series) -> pl.DataFrame:
        """Columns: context.key UInt32 and CONTEXT_ATTRIBUTES, a row for each row of `columns`.

        `protocol`: UInt8 index into PROTOCOLS; `nodes`: what column `node` counts through.
        """
        if len(self._slots) > self._limit:
            self._clear()
        numbers = {name: self._numbers(columns, source) for name, source in _ADDRESSES.items()}
        hashes = self._hashes(columns, nodes, protocol, numbers)
        kinds, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        keys = kinds.tolist()
        unseen = [at for at, key in enumerate(keys) if key not in self._slots]
        if unseen:
            rows = first[unseen]
            self._learn([keys[at] for at in unseen], self._clues(columns, nodes, protocol, numbers, rows))
        slots = pl.Series([self._slots[key] for key in keys], dtype=pl.UInt32)
        # First the few kinds, then the many rows from those: the whole table is too large for the cache, and in pieces.
        here = self._table.select(pl.all().gather(slots)).rechunk()
        key = pl.Series("context.key", inverse.astype(np.uint32))
        return here.select(pl.all().gather(key)).insert_column(0, key)

    def _numbers(self, columns: Columns, name: str) -> pl.Series:
        number = self._addresses.number
        meanings = pl.Series([number(address) for address in columns.dictionaries[name].to_list()], dtype=pl.UInt64)
        return meanings.gather(columns.rows[name]).alias(name)

    def _hashes(
        self, columns: Columns, nodes: Sequence[Node], protocol: pl.Series, numbers: dict[str, pl.Series]
    ) -> np.ndarray:
        node = pl.Series([node.number for node in nodes], dtype=pl.UInt64).gather(columns.rows["node"])
        parts = [node.alias("node"), protocol.cast(pl.UInt64).alias("protocol"), *numbers.values()]
        for name in (*_TEXTS.values(), *(column for _, column in self._peers)):
            distinct = columns.dictionaries[name].hash(self._seed)
            parts.append(distinct.gather(columns.rows[name]).alias(name))
        route = _route(columns)
        parts += [route, _authority(columns, route, self._seed)]
        return pl.DataFrame(parts).select(pl.struct(pl.all()).hash(self._seed)).to_series().to_numpy()

    def _clues(
        self,
        columns: Columns,
        nodes: Sequence[Node],
        protocol: pl.Series,
        numbers: dict[str, pl.Series],
        rows: np.ndarray,
    ) -> list[Clues]:
        at = pl.Series(rows.astype(np.uint32))
        some = columns.rows.select(pl.all().gather(at))

        def values(name: str) -> list[str | None]:
            return columns.dictionaries[name].gather(some[name]).to_list()

        def known(name: str) -> list[str | None]:
            marks = numbers[name].gather(at).to_list()
            return [value if mark else None for value, mark in zip(values(_ADDRESSES[name]), marks, strict=True)]

        answers: dict[str, list[Any]] = {clue: values(column) for clue, column in _TEXTS.items()}
        answers |= {clue: known(clue) for clue in _ADDRESSES}
        answers |= self._peer_values(values, len(rows))
        answers["route"] = [route if route in _ROUTES else None for route in values("route_name")]
        answers["authority"] = values("authority")
        answers["node"] = [nodes[index] for index in some["node"].to_list()]
        answers["protocol"] = [PROTOCOLS[code] for code in protocol.gather(at).to_list()]
        return [Clues(**dict(zip(answers, row, strict=True))) for row in zip(*answers.values(), strict=True)]

    def _peer_values(self, values: Callable[[str], list[Any]], count: int) -> dict[str, list[Any]]:
        """Give for each peer clue the first of its columns (one per Istio generation) that has a value."""
        answers: dict[str, list[Any]] = {"downstream_peer": [None] * count, "upstream_peer": [None] * count}
        for clue, column in self._peers:
            answers[clue] = [one or other for one, other in zip(answers[clue], values(column), strict=True)]
        return answers

    def _learn(self, keys: list[int], clues: list[Clues]) -> None:
        hops = [_row(one, self._resolver.resolve(one)) for one in clues]
        base = len(self._table)
        self._table.extend(pl.DataFrame(hops, schema=_SCHEMA, orient="row"))
        self._slots.update((key, base + index) for index, key in enumerate(keys))
        self.resolved_total += len(keys)

    def _clear(self) -> None:
        self._slots.clear()
        self._table = pl.DataFrame(schema=_SCHEMA)
        self.cleared_total += 1


def _route(columns: Columns) -> pl.Series:
    """Give each row the number of its route where the route's name means something, else 0."""
    routes = columns.dictionaries["route_name"].to_list()
    meanings = pl.Series([_ROUTES.get(route, 0) for route in routes], dtype=pl.UInt64)
    return meanings.gather(columns.rows["route_name"]).fill_null(0).alias("route")


def _authority(columns: Columns, route: pl.Series, seed: int) -> pl.Series:
    """Give each row the hash of its host where the resolver will look at the host, else null.

    A scanner's random Host headers must not make a million kinds: they meet no route (no cluster), or end in a cluster
    that names its service, or reach an inbound side, where only hosts that look like a service's matter.
    """
    authorities = columns.dictionaries["authority"].to_list()
    hosts = pl.Series([host_of_authority(authority) for authority in authorities], dtype=pl.String)
    services = pl.Series([host if may_name_service(host) else None for host in hosts], dtype=pl.String)
    weights = pl.Series(
        [_weight(cluster) for cluster in columns.dictionaries["upstream_cluster"].to_list()], dtype=pl.UInt8
    )
    code = columns.rows["authority"]
    frame = pl.DataFrame(
        {
            "weight": weights.gather(columns.rows["upstream_cluster"]).fill_null(_NO_HOST),
            "route": route,
            "host": hosts.hash(seed).gather(code),
            "service": services.hash(seed).gather(code),
        }
    )
    chosen = (
        pl.when((pl.col("weight") == _ANY_HOST) | (pl.col("route") > 0))
        .then("host")
        .when(pl.col("weight") == _SERVICE_HOST)
        .then("service")
    )
    return frame.select(chosen.alias("authority")).to_series()


_NO_HOST, _SERVICE_HOST, _ANY_HOST = range(3)


def _weight(name: str) -> int:
    cluster = parse_cluster(name)
    if cluster and cluster.host:
        return _NO_HOST
    return _SERVICE_HOST if cluster and cluster.direction == "inbound" else _ANY_HOST


def _row(clues: Clues, hop: Hop) -> tuple[object, ...]:
    """Lay a hop out in the order of CONTEXT_ATTRIBUTES."""
    node = clues.node
    row: list[object] = [clues.protocol, hop.reporter, node.id or None, node.version or None, node.log_name or None]
    row += [hop.source_principal, hop.source_resolved_by, *_of_workload(hop.source)]
    row += [hop.destination_principal, hop.destination_resolved_by, *_of_workload(hop.destination)]
    row += [hop.service_host, hop.service_name, hop.service_namespace, hop.mtls, hop.security_policy]
    return tuple(row)


def _of_workload(workload: Workload) -> list[str | None]:
    return [getattr(workload, field) for field in _WORKLOAD.values()]
