"""What is captured: a proxy as its mesh presents it, and one thing that happens to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["REFUSED_PORT", "Case", "Proxy"]

Json = Mapping[str, Any]
REFUSED_PORT = 18_089


@dataclass(frozen=True, slots=True)
class Proxy:
    """One Envoy. `address`: its workload's, which stands for a pod's; `san`: the identity that it certifies itself."""

    id: str
    cluster: str
    address: str
    metadata: Json = field(default_factory=dict)
    san: str | None = None
    bind: str | None = None
    """From where it calls its own application, where that is not its address."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request or connection. `name`: what it shows.

    `cluster` None: there is no route, unless `direct` says which code the route answers with. `upstream` None: the
    cluster is empty. `client`: the address that it comes from, with the certificate of `client_sans` if any.
    `listen`: the address that the client connects to. `peers`: filter state by key; text stays text, a dict becomes a
    Struct.
    """

    name: str
    proxy: Proxy
    cluster: str | None = None
    upstream: str | None = None
    host: str = "traps.example"
    route: str = "default"
    path: str = "/"
    client: str = "127.7.9.9"
    listen: str | None = None
    client_sans: tuple[str, ...] = ()
    peers: Mapping[str, str | Json] = field(default_factory=dict)
    direct: int | None = None
    tcp: bool = False
    grpc: bool = False
    denied: bool = False
    refused: bool = False
