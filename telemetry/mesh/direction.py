"""Whose side reports: by the first rule that applies, as access logs carry no traffic direction."""

import re

from telemetry.mesh.dialect import INBOUND, OUTBOUND
from telemetry.mesh.scene import Scene

__all__ = ["direction"]

_LOOPBACK = {"127.0.0.1", "::1"}
# Where Istio's proxies call their application from.
_INBOUND_BIND = {"127.0.0.6", "::6"}
_LOG_NAMES = {"inbound": INBOUND, "server": INBOUND, "outbound": OUTBOUND, "client": OUTBOUND}
_WORD = re.compile(r"[a-z]+")


def direction(scene: Scene) -> str:
    """Say `inbound` or `outbound`. Gateways and waypoints are a client to what they call: `outbound`."""
    if scene.proxy.kind in {"gateway", "waypoint"}:
        return OUTBOUND
    if scene.cluster and scene.cluster.direction:
        return scene.cluster.direction
    for rule in (_by_peers, _by_addresses, _by_certificate, _by_names):
        if told := rule(scene):
            return told
    return OUTBOUND


def _by_peers(scene: Scene) -> str | None:
    clues = scene.clues
    if bool(clues.downstream_peer) == bool(clues.upstream_peer):
        return None
    return INBOUND if clues.downstream_peer else OUTBOUND


def _by_addresses(scene: Scene) -> str | None:
    clues, proxy = scene.clues, scene.proxy
    # Both ends may have the workload's address: where it calls itself, or where its application's call was caught at
    # the address it was made from. The mesh's own certificate on the connection tells the first from the second.
    certified = clues.peer_sans or clues.peer_principal
    if clues.local_ip in proxy.addresses and (certified or clues.client_ip not in proxy.addresses):
        return INBOUND
    if clues.client_ip in proxy.addresses:
        return OUTBOUND
    if clues.server_ip in _LOOPBACK or clues.upstream_local_ip in _INBOUND_BIND:
        return INBOUND
    # An application on the proxy's machine, or in its pod, calls through its loopback.
    return OUTBOUND if clues.client_ip in _LOOPBACK else None


def _by_certificate(scene: Scene) -> str | None:
    """Know a mesh's sidecar that let nobody through by its caller's certificate: its own application has none."""
    clues = scene.clues
    certified = clues.peer_sans or clues.peer_principal
    return INBOUND if certified and scene.meshed and not clues.cluster else None


def _by_names(scene: Scene) -> str | None:
    words = _WORD.findall(scene.clues.node.log_name.lower())
    told = next((_LOG_NAMES[word] for word in words if word in _LOG_NAMES), None)
    return told or (scene.route.direction if scene.route else None)
