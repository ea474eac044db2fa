"""SPIFFE identities: what their paths tell of a workload."""

from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["Spiffe", "first_uri", "parse", "segments"]

_SCHEME = "spiffe://"


@dataclass(frozen=True, slots=True)
class Spiffe:
    """Who a certificate names; None where its form does not say. `kind`: workload, gateway or agent."""

    trust_domain: str
    namespace: str | None = None
    service_account: str | None = None
    service: str | None = None
    partition: str | None = None
    datacenter: str | None = None
    kind: str = "workload"


def first_uri(sans: str | None) -> str | None:
    """Give the first SPIFFE id, else the first URI, of the SANs that Envoy lists, joined by commas."""
    if not sans:
        return None
    uris = sans.split(",")
    return next((uri for uri in uris if uri.startswith(_SCHEME)), uris[0])


def segments(uri: str | None) -> tuple[str, list[str]] | None:
    """Give a SPIFFE id's trust domain and the parts of its path, unescaped; None for anything else."""
    if not uri or not uri.startswith(_SCHEME):
        return None
    trust_domain, *path = uri.removeprefix(_SCHEME).split("/")
    return trust_domain, [unquote(part) for part in path]


def parse(uri: str | None) -> Spiffe | None:
    """Read a SPIFFE id whose path is of names and values; other paths tell the trust domain only. None for no id.

    So are Istio's and GKE's `/ns/N/sa/S`, Consul's `[/ap/P]/ns/N/dc/D/svc/S`, `/gateway/mesh/dc/D`,
    `/agent/client/dc/D/id/I`, `/agent/server/dc/D`, and Kuma's `/workload/W`.
    """
    found = segments(uri)
    if found is None:
        return None
    trust_domain, path = found
    named = dict(zip(path[::2], path[1::2], strict=False))
    return Spiffe(
        trust_domain,
        namespace=named.get("ns") or None,
        service_account=named.get("sa") or None,
        service=named.get("svc") or named.get("workload") or None,
        partition=named.get("ap") or None,
        datacenter=named.get("dc") or None,
        kind=next((kind for kind in ("gateway", "agent") if kind in named), "workload"),
    )
