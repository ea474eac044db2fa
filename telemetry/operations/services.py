"""The services whose operations are told apart: what is declared and learned of each."""

from collections.abc import Callable

import numpy as np
import polars as pl

from telemetry.operations.learning import Tree
from telemetry.operations.memo import Hashes, Memo, Numbers
from telemetry.operations.names import Grants, Names
from telemetry.operations.openapi import Document
from telemetry.operations.rules import Rules
from telemetry.operations.settings import OperationsSettings

__all__ = ["Documents", "Service", "Services"]

Documents = Callable[[str], Document | None]
"""Gives the OpenAPI document of a service by its host."""

# Templates share prefixes: four nodes for each are plenty, and a bound for who would fill our memory.
_NODES_PER_OPERATION = 4
_BITS = 14


class Service:
    """One service: its document, the names it may have, the tree of its paths."""

    def __init__(self, host: str, root: int, names: Names, declared: int, settings: OperationsSettings) -> None:
        limit = settings.max_operations_per_service
        self.host = host
        self.document: Document | None = None
        self.grants = Grants(names, max(0, limit - declared))
        self.tree = Tree(root, max_children=settings.max_children, max_nodes=limit * _NODES_PER_OPERATION)


class Services:
    """Numbers for services. The first, 0, is for all that come when there are `max_services`.

    A service that has a document always gets its own number: the catalogue bounds them.
    """

    def __init__(
        self, settings: OperationsSettings, rules: Rules, names: Names, documents: Documents, seed: int
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._names = names
        self._documents = documents
        self._seed = seed
        self._memo = Memo(_BITS)
        self._numbers: dict[str, int] = {}
        self._services: list[Service] = []
        self.roots: Hashes = np.zeros(0, np.uint64)
        """By number: what the hashes of the service's paths begin with."""
        self.plain = np.zeros(0, np.bool_)
        """By number: whether the service has a document, and it is a plain one."""
        self.mixed = np.zeros(0, np.bool_)
        """By number: whether the service has a document, and it is not a plain one."""
        self._add("")

    def __getitem__(self, number: int) -> Service:
        return self._services[number]

    def __len__(self) -> int:
        return len(self._services)

    def numbers(self, hosts: pl.Series) -> Numbers:
        """Give each row the number of its service."""
        hashes = hosts.hash(self._seed).to_numpy()
        numbers, known = self._memo.get(hashes)
        if not known.all():
            left = np.flatnonzero(~known)
            numbers[left] = [self._number(host or "") for host in hosts.gather(left).to_list()]
            self._memo.put(hashes[left], numbers[left])
        return numbers

    def reload(self) -> None:
        """Ask for every service's document again."""
        self._memo.clear()
        for number, service in enumerate(self._services[1:], start=1):
            self._give(number, self._documents(service.host))

    def _number(self, host: str) -> int:
        number = self._numbers.get(host)
        if number is not None:
            return number
        document = self._documents(host)
        if document is None and len(self._services) > self._settings.max_services:
            return 0
        number = self._numbers[host] = len(self._services)
        self._add(host, document)
        return number

    def _add(self, host: str, document: Document | None = None) -> None:
        number = len(self._services)
        root = int(pl.Series([number], dtype=pl.UInt64).hash(self._seed)[0])
        declared = self._rules.names_for(host) | set(document.operations if document else ())
        self._services.append(Service(host, root, self._names, len(declared), self._settings))
        self.roots = np.append(self.roots, np.uint64(root))
        self.plain, self.mixed = np.append(self.plain, np.False_), np.append(self.mixed, np.False_)
        self._give(number, document)

    def _give(self, number: int, document: Document | None) -> None:
        self._services[number].document = document
        self.plain[number] = document is not None and document.plain
        self.mixed[number] = document is not None and not document.plain
