"""One answer per distinct kind of entry, remembered between batches."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from telemetry.attributes import by_name
from telemetry.by_context import ByContext
from telemetry.columns import Columns
from telemetry.mesh import spiffe
from telemetry.mesh.addresses import Addresses
from telemetry.mesh.clues import Clues
from telemetry.mesh.peers import PEER_KEYS
from telemetry.mesh.resolve import Hop, Resolver
from telemetry.mesh.workload import Workload
from telemetry.node import Node
from telemetry.processors.clue_columns import Rows
from telemetry.processors.kinds import PROTOCOLS, Kinds

__all__ = ["CONTEXT_ATTRIBUTES", "PROTOCOLS", "Contexts", "peer_columns"]

_SIDES = ("source", "destination")
_WORKLOAD = {
    "name": "instance",
    "labels": "labels",
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

_UIDS = ("uid", "workload.uid", "serviceAccount")

CONTEXT_ATTRIBUTES: tuple[str, ...] = (
    "context.protocol",
    "context.reporter.kind",
    "context.reporter.uid",
    "context.proxy_version",
    "context.log_name",
    *(f"{side}.{name}" for side in _SIDES for name in ("principal", "resolved_by", *_UIDS, *_WORKLOAD)),
    "destination.service.host",
    "destination.service.name",
    "destination.service.namespace",
    "destination.service.uid",
    "connection.mtls",
    "connection.security_policy",
)
# Attributes that are a clue themselves, word for word.
_CLUES = frozenset({"upstream.cluster", "connection.requested_server_name", "route.name"})
_SCHEMA = {name: by_name(name).dtype for name in CONTEXT_ATTRIBUTES}


def peer_columns(filter_state: Sequence[str]) -> list[tuple[str, str]]:
    """Give (clue, decoded column) for the filter-state keys that hold a peer, in the order to look at them."""
    return [(clue, f"filter_state.{key}") for key, clue in PEER_KEYS.items() if key in filter_state]


class Contexts:
    """Gives each row the key of its kind, and each kind its attributes.

    At `limit` kinds, and when `generation` says that the resolver knows more, the memory is cleared and refilled.
    `seed`, `peers`: as in Kinds.
    """

    def __init__(
        self,
        resolver: Resolver,
        addresses: Addresses,
        *,
        seed: int,
        limit: int = 65_536,
        peers: Sequence[tuple[str, str]] = (),
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        self._resolver = resolver
        self._kinds = Kinds(resolver, addresses, seed=seed, peers=peers)
        self._limit = limit
        self._generation = generation
        self._known_generation = generation()
        self._slots: dict[int, int] = {}
        self._words: dict[int, int] = {}
        self._table = pl.DataFrame(schema=_SCHEMA)
        self._origin = object()
        self.resolved_total = 0
        self.cleared_total = 0

    def __len__(self) -> int:
        return len(self._slots)

    def attributes(
        self,
        columns: Columns,
        nodes: Sequence[Node],
        protocol: pl.Series,
        wanted: Sequence[str] = CONTEXT_ATTRIBUTES,
    ) -> tuple[pl.DataFrame, ByContext]:
        """Columns: context.key UInt32 and those wanted of CONTEXT_ATTRIBUTES, a row for each row of `columns`.

        With it, that those wanted follow from the key; what stands in a slot stays until the memory is cleared. Mostly
        all entries of a kind have the same clues word for word: then attributes that are clues follow from it, too.
        `protocol`: UInt8 index into PROTOCOLS; `nodes`: what column `node` counts through.
        """
        if len(self._slots) > self._limit or self._generation() != self._known_generation:
            self._clear()
        if len(self._words) > self._limit:
            self._words.clear()
        rows = self._kinds.rows(columns, nodes, protocol)
        words, word_of_row = np.unique(self._kinds.words(rows), return_inverse=True)
        known = words.tolist()
        if unseen := [at for at, word in enumerate(known) if word not in self._words]:
            of_word = np.empty(len(words), np.int64)
            of_word[word_of_row] = np.arange(len(word_of_row))
            self._read([known[at] for at in unseen], rows.at(of_word[unseen]))
        slots = np.fromiter(map(self._words.__getitem__, known), np.uint32, len(known))
        slot_of_key, key_of_word = np.unique(slots, return_inverse=True)
        key = key_of_word.astype(np.uint32)[word_of_row]
        made = self._table[list(wanted)][pl.Series(slots[word_of_row])]
        if len(words) == len(slot_of_key):
            known = ByContext(_CLUES.union(wanted), (self._origin, "words"), words[np.argsort(slots)])
        else:
            known = ByContext(frozenset(wanted), self._origin, slot_of_key)
        return made.insert_column(0, pl.Series("context.key", key)), known

    def _read(self, words: list[int], rows: Rows) -> None:
        """Find the kinds of rows with new words, and learn those that are new."""
        kinds, first, kind_of_word = np.unique(self._kinds.hashes(rows), return_index=True, return_inverse=True)
        keys = kinds.tolist()
        if unseen := [at for at, key in enumerate(keys) if key not in self._slots]:
            self._learn([keys[at] for at in unseen], self._kinds.clues(rows, first[unseen]))
        self._words.update(
            (word, self._slots[keys[kind]]) for word, kind in zip(words, kind_of_word.tolist(), strict=True)
        )

    def _learn(self, keys: list[int], clues: list[Clues]) -> None:
        hops = [_row(one, self._resolver.resolve(one)) for one in clues]
        base = len(self._table)
        # In one piece: rows are gathered from it many times as fast.
        self._table = pl.concat([self._table, pl.DataFrame(hops, schema=_SCHEMA, orient="row")], rechunk=True)
        self._slots.update((key, base + index) for index, key in enumerate(keys))
        self.resolved_total += len(keys)

    def _clear(self) -> None:
        self._known_generation = self._generation()
        self._slots.clear()
        self._words.clear()
        self._table = pl.DataFrame(schema=_SCHEMA)
        self._origin = object()
        self.cleared_total += 1


def _row(clues: Clues, hop: Hop) -> tuple[object, ...]:
    """Lay a hop out in the order of CONTEXT_ATTRIBUTES."""
    node = clues.node
    row: list[object] = [clues.protocol, hop.reporter, node.id or None, node.version or None, node.log_name or None]
    row += [hop.source_principal, hop.source_resolved_by, *_of_workload(hop.source, hop.source_principal)]
    row += [hop.destination_principal, hop.destination_resolved_by]
    row += _of_workload(hop.destination, hop.destination_principal)
    row += [hop.service_host, hop.service_name, hop.service_namespace]
    row += [_uid("services", hop.service_namespace, hop.service_name), hop.mtls, hop.security_policy]
    return tuple(row)


def _of_workload(workload: Workload, principal: str | None) -> list[object]:
    identity = spiffe.parse(principal)
    pod = f"kubernetes://{workload.instance}.{workload.namespace}" if workload.instance and workload.namespace else None
    account = (identity.service_account if identity else None) or workload.service_account
    uids = [pod, _uid("workloads", workload.namespace, workload.name), account]
    return [*uids, *(_shown(getattr(workload, field)) for field in _WORKLOAD.values())]


def _uid(kind: str, namespace: str | None, name: str | None) -> str | None:
    """Name a thing as Mixer's Kubernetes adapter did."""
    return f"istio://{namespace}/{kind}/{name}" if namespace and name else None


def _shown(value: str | tuple[tuple[str, str], ...] | None) -> object:
    if isinstance(value, tuple):
        return [{"key": key, "value": text} for key, text in value] or None
    return value
