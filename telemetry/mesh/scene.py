"""Scene: one kind of entry, read in its mesh's names."""

from dataclasses import dataclass

from telemetry.mesh import plain
from telemetry.mesh.clues import Clues
from telemetry.mesh.dialect import ClusterName, Dialect, Proxy
from telemetry.node import ANONYMOUS

__all__ = ["Scene", "host_of_authority"]

# A name has 253 characters (RFC 1035), a port 5; what a stranger sends besides must not be remembered.
_MAX_AUTHORITY = 260


def host_of_authority(authority: str | None) -> str | None:
    """Give an authority's host, lower-case and without port or IPv6 brackets; None for what is too long to be one."""
    if not authority or len(authority) > _MAX_AUTHORITY:
        return None
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower() or None
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdecimal() else authority).lower() or None


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of entry as its mesh's names read: what the rules look at."""

    clues: Clues
    dialect: Dialect
    proxy: Proxy
    cluster: ClusterName | None
    route: ClusterName | None

    @property
    def meshed(self) -> bool:
        """Whether the entry is of a mesh, beyond doubt."""
        return self.dialect is not plain.DIALECT

    @property
    def host(self) -> str | None:
        """The host header's host, by the name that the mesh's clusters have for it."""
        host = host_of_authority(self.clues.authority)
        return self.dialect.whole_host(host) if host else None

    @property
    def sni(self) -> ClusterName | None:
        """The SNI, where it is the mesh's way to name a service."""
        sni = self.clues.sni
        told = self.dialect.cluster_name(sni, ANONYMOUS) if sni and self.meshed else None
        return told if told and told.host else None
