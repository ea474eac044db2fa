"""Mutual TLS between sidecars, with SPIFFE identities in place of host names."""

from collections.abc import Iterable

from telemetry.demo.certificates import CertificatePaths
from telemetry.demo.envoy.typed import Json, named
from telemetry.demo.topology import TRUST_DOMAIN

__all__ = ["server_transport_socket", "upstream_transport_socket"]


def server_transport_socket(paths: CertificatePaths) -> Json:
    """Demand a certificate of this mesh from whoever connects."""
    return named(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=True,
        common_tls_context=_context(paths, alpn=("h2", "http/1.1"), peers=[{"prefix": f"spiffe://{TRUST_DOMAIN}/"}]),
    )


def upstream_transport_socket(
    paths: CertificatePaths, spiffe_ids: Iterable[str], sni: str, alpn: tuple[str, ...]
) -> Json:
    """Show our certificate, and connect only to one of the identities given."""
    return named(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=sni,
        common_tls_context=_context(
            paths, alpn=alpn, peers=[{"exact": spiffe_id} for spiffe_id in sorted(set(spiffe_ids))]
        ),
    )


def _context(paths: CertificatePaths, alpn: tuple[str, ...], peers: list[Json]) -> Json:
    return {
        "alpn_protocols": list(alpn),
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(paths.certificate)},
                "private_key": {"filename": str(paths.key)},
            }
        ],
        "validation_context": {
            "trusted_ca": {"filename": str(paths.authority)},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer} for peer in peers],
        },
    }
