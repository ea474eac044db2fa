"""Load a catalog file: all its services, or every fault in it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from telemetry.catalog.model import CatalogFile, Service
from telemetry.config.document import Document, read
from telemetry.config.document import Path as KeyPath
from telemetry.config.faults import dotted, faults_of, flaws_of, in_order, known_keys
from telemetry.errors import ConfigError, Fault
from telemetry.options import Loading

__all__ = ["load", "parse"]

_MAX_BYTES = 8 << 20
_MAX_NODES = 400_000


def load(path: Path) -> CatalogFile:
    """Read a catalog file. Raises ConfigError with every fault found."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Fault(str(path), 1, 1, "", f"can't be read: {reason}")]) from None
    return parse(content, str(path), folder=path.parent)


def parse(content: bytes, name: str, *, folder: Path) -> CatalogFile:
    """Read a catalog from memory; `name` stands in its faults. Raises ConfigError with every fault found."""
    document = read(content, max_bytes=_MAX_BYTES, max_nodes=_MAX_NODES)
    context = Loading(folder, os.environ)
    faults = flaws_of(document, name)
    made = None
    if document.readable:
        try:
            made = CatalogFile.model_validate(document.value, context=context, by_alias=True, by_name=False)
            sound = dict(enumerate(made.services))
        except ValidationError as error:
            faults += faults_of(error, document, name, lambda path: known_keys(CatalogFile, path))
            sound = _sound(document, context)
        faults += [_fault(document, name, path, message) for path, message in _conflicts(sound)]
    if faults or made is None:
        raise ConfigError(in_order(faults))
    return made


def _sound(document: Document, context: Loading) -> dict[int, Service]:
    """Give the services, by their place in the list, that have no fault of their own."""
    value: Any = document.value
    items = value.get("services") if isinstance(value, dict) else None
    sound: dict[int, Service] = {}
    for index, item in enumerate(items if isinstance(items, list) else []):
        try:
            sound[index] = Service.model_validate(item, context=context, by_alias=True, by_name=False)
        except ValidationError:
            continue  # its faults are told already
    return sound


def _conflicts(services: Mapping[int, Service]) -> Iterator[tuple[KeyPath, str]]:
    """Find what two services can't both be; places as paths."""
    names: dict[object, int] = {}
    hosts: dict[str, int] = {}
    networks: dict[str, int] = {}
    for index, service in services.items():
        path: KeyPath = ("services", index)
        full_name = (service.namespace, service.name, service.cluster)
        if (first := names.setdefault(full_name, index)) != index:
            yield (*path, "name"), f"{service.key} is a service already, services[{first}]; give it another name"
        yield from _taken(path, "hosts", service.hosts, hosts)
        yield from _taken(path, "addresses", service.addresses, networks)
    known = {name for service in services.values() for name in (service.key, service.name)}
    for index, service in services.items():
        for at, name in enumerate(service.depends_on):
            if name not in known:
                yield ("services", index, "depends_on", at), f"{name} is no service of this catalog; add it, or mend it"


def _taken(path: KeyPath, key: str, values: tuple[str, ...], owners: dict[str, int]) -> Iterator[tuple[KeyPath, str]]:
    seen: set[str] = set()
    for at, value in enumerate(values):
        first = owners.setdefault(value, int(path[1]))
        if value in seen:
            yield (*path, key, at), f"{value} stands here twice"
        elif first != path[1]:
            yield (*path, key, at), f"{value} belongs to services[{first}] already; it can be of one service only"
        seen.add(value)


def _fault(document: Document, name: str, path: KeyPath, message: str) -> Fault:
    place = document.place(path)
    return Fault(name, place.line, place.column, dotted(path), message)
