"""Clues: what entries of one kind say of the two ends of a request."""

from dataclasses import dataclass

from telemetry.mesh.workload import Workload
from telemetry.node import Node

__all__ = ["Clues"]


@dataclass(frozen=True, slots=True)
class Clues:
    """What entries of one kind have in common. Strings are None when Envoy sent nothing."""

    node: Node
    protocol: str
    cluster: str | None = None
    route: str | None = None
    authority: str | None = None
    downstream_peer: bytes | None = None
    upstream_peer: bytes | None = None
    peer_sans: str | None = None
    local_sans: str | None = None
    client_ip: str | None = None
    """Address of the TCP peer, where the registry knows it or it is a loopback; else None."""
    local_ip: str | None = None
    """Address that the client connected to, likewise."""
    server_ip: str | None = None
    """Address of the upstream host, likewise."""
    upstream_local_ip: str | None = None
    """Our end of the upstream connection, likewise."""
    client: Workload | None = None
    """Who answered on `client_ip` when the entries came; None: ask the registry."""
    server: Workload | None = None
    """Who answered on `server_ip` then, likewise."""
    sni: str | None = None
    """The server name that the client asked for in TLS."""
    reached: bool | None = None
    """Whether a host was chosen, known to the registry or not; None: as far as `server_ip` tells."""
    routed: bool | None = None
    """Whether a route with a name matched, whatever it says."""
    peer_principal: bytes | None = None
    """Istio's filter state of that name: the client's SPIFFE id, where the certificate's names are not logged."""
    local_principal: bytes | None = None
