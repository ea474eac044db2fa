"""Node: what an Envoy said of itself when its stream began."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import Any, Protocol

import orjson

__all__ = ["ANONYMOUS", "Node", "node_of"]

_numbers = count(1)
# A pod has one address of each family, rarely more: nobody may claim the whole mesh.
_MAX_ADDRESSES = 32
_VERSION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(?![0-9])")


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
        told = self.text.get("INSTANCE_IPS", "").split(",", _MAX_ADDRESSES)[:_MAX_ADDRESSES]
        return tuple(ip for ip in told if _is_address(ip))

    @property
    def logs_types(self) -> bool:
        """Whether this Envoy says an entry's type: access_log_type exists since 1.26, everywhere since 1.27."""
        number = _VERSION.match(self.version)
        return number is None or (int(number[1]), int(number[2])) >= (1, 27)


def _is_address(text: str) -> bool:
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False


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
