"""Node: what an Envoy said of itself when its stream began."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import orjson

__all__ = ["ANONYMOUS", "Node", "node_of"]

_numbers = count(1)


class Identifier(Protocol):
    """What a stream's identifier tells; `telemetry.native.Identifier` is one."""

    @property
    def log_name(self) -> str: ...
    @property
    def node_id(self) -> str: ...
    @property
    def node_cluster(self) -> str: ...
    @property
    def metadata_json(self) -> bytes: ...
    @property
    def zone(self) -> str: ...
    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node:
    """One Envoy and one of its logs. Compared by identity: receivers keep one object per distinct node.

    `number` is unique in this process and never used again, so it may stand for the node in integer columns.
    """

    id: str
    cluster: str
    metadata: Mapping[str, Any]
    version: str
    log_name: str
    zone: str = ""
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def text(self) -> Mapping[str, str]:
        """The metadata whose values are strings, as nearly all are."""
        return {key: value for key, value in self.metadata.items() if isinstance(value, str)}

    @property
    def labels(self) -> Mapping[str, str]:
        """Istio's metadata LABELS, the string ones."""
        labels = self.metadata.get("LABELS")
        if not isinstance(labels, dict):
            return {}
        return {key: value for key, value in labels.items() if isinstance(value, str)}

    @property
    def instance_ips(self) -> tuple[str, ...]:
        """Istio's metadata INSTANCE_IPS: the addresses that this Envoy's workload answers on."""
        return tuple(ip for ip in self.text.get("INSTANCE_IPS", "").split(",") if ip)

    @property
    def logs_types(self) -> bool:
        """Whether this Envoy says an entry's type: access_log_type exists since 1.26, everywhere since 1.27."""
        major, _, rest = self.version.partition(".")
        minor = rest.partition(".")[0]
        if not (major.isdecimal() and minor.isdecimal()):
            return True
        return (int(major), int(minor)) >= (1, 27)


ANONYMOUS = Node(id="", cluster="", metadata={}, version="", log_name="")


def node_of(identifier: Identifier) -> Node:
    """Make the node of a stream's identifier."""
    return Node(
        id=identifier.node_id,
        cluster=identifier.node_cluster,
        metadata=orjson.loads(identifier.metadata_json),
        version=identifier.version,
        log_name=identifier.log_name,
        zone=identifier.zone,
    )
