"""Consul Connect: sidecars called by their service's id, clusters by their targets' SNI, one of each kind."""

from dataclasses import replace

from tests.captures.cases import Case, Proxy

__all__ = ["CASES"]

TRUST = "7f2a3c4d-1111-2222-3333-444455556666.consul"
NAMES = {"namespace": "default", "partition": "default"}


def _san(service: str) -> str:
    return f"spiffe://{TRUST}/ns/default/dc/dc1/svc/{service}"


WEB = Proxy("web-sidecar-proxy", "web", "127.7.2.11", NAMES, _san("web"))
API = Proxy("api-sidecar-proxy", "api", "127.7.2.12", NAMES, _san("api"))
GATEWAY = Proxy("mesh-gateway", "mesh-gateway", "127.7.2.10", NAMES, f"spiffe://{TRUST}/gateway/mesh/dc/dc1")

# A sidecar's application calls a port of its own loopback.
_OUT = Case("", WEB, client="127.0.0.1", listen="127.0.0.1", host="localhost:9191", upstream=API.address)
_IN = Case("", API, "local_app", "127.0.0.1", client=WEB.address, client_sans=(_san("web"),), host="localhost:9191")

CASES = (
    replace(_OUT, name="outbound", cluster=f"api.default.dc1.internal.{TRUST}"),
    replace(_OUT, name="outbound to a subset", cluster=f"v2.api.default.dc1.internal.{TRUST}"),
    replace(_OUT, name="outbound to another partition", cluster=f"api.backend.billing.dc1.internal-v1.{TRUST}"),
    replace(_OUT, name="outbound to a peered cluster", cluster=f"api.default.default.cluster-02.external.{TRUST}"),
    replace(_OUT, name="outbound by a prepared query", cluster=f"api.default.dc2.query.{TRUST}"),
    replace(_OUT, name="outbound, TCP", cluster=f"db.default.dc1.internal.{TRUST}", tcp=True),
    replace(_OUT, name="outbound, refused", cluster=f"api.default.dc1.internal.{TRUST}", refused=True),
    replace(_OUT, name="outbound, no healthy host", cluster=f"gone.default.dc1.internal.{TRUST}", upstream=None),
    replace(_IN, name="inbound"),
    replace(_IN, name="inbound, denied by an intention", denied=True),
    replace(_IN, name="inbound, TCP", tcp=True),
    replace(
        _IN, name="inbound from a mesh gateway", client_sans=(f"spiffe://{TRUST}/gateway/mesh/dc/dc2",),
        client=GATEWAY.address,
    ),
    Case("mesh gateway to a service", GATEWAY, f"api.default.dc1.internal.{TRUST}", API.address, tcp=True),
)  # fmt: skip
