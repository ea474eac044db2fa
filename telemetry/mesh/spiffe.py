"""SPIFFE identities: what their paths tell of a workload."""

from dataclasses import dataclass

__all__ = ["Spiffe", "first_uri", "parse"]


@dataclass(frozen=True, slots=True)
class Spiffe:
    """`spiffe://<trust_domain>/ns/<namespace>/sa/<service_account>`, Istio's form; other paths leave both None."""

    trust_domain: str
    namespace: str | None = None
    service_account: str | None = None


def first_uri(sans: str | None) -> str | None:
    """Give the first of the URI SANs that Envoy's certificate properties list, joined by commas."""
    return sans.partition(",")[0] if sans else None


def parse(uri: str | None) -> Spiffe | None:
    """Read a SPIFFE id; None for anything else."""
    if not uri or not uri.startswith("spiffe://"):
        return None
    trust_domain, *path = uri.removeprefix("spiffe://").split("/")
    named = dict(zip(path[::2], path[1::2], strict=False))
    return Spiffe(trust_domain, named.get("ns") or None, named.get("sa") or None)
