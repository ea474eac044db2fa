"""Which mesh an Envoy is of: by what it shows of itself, of its clusters, of its certificates; or as configured."""

from functools import lru_cache

from telemetry.mesh import app_mesh, consul, envoy_gateway, istio, kuma, osm, plain, traffic_director
from telemetry.mesh.dialect import ClusterName, Dialect
from telemetry.node import ANONYMOUS, Node

__all__ = ["AUTO", "DIALECTS", "parse_cluster", "parse_route", "recognise", "recognise_node"]

AUTO = "auto"

# In the order of asking: grammars that can't be taken for another's come first. Plain Envoys are what is left.
_MESHES = (
    istio.DIALECT,
    consul.DIALECT,
    envoy_gateway.DIALECT,
    app_mesh.DIALECT,
    traffic_director.DIALECT,
    osm.DIALECT,
    kuma.DIALECT,
)
DIALECTS = {dialect.name: dialect for dialect in (*_MESHES, plain.DIALECT)}


def recognise_node(node: Node) -> Dialect:
    """Give the dialect of the mesh that a node shows itself to be of; plain when it shows none."""
    return next((dialect for dialect in _MESHES if dialect.knows_node(node)), plain.DIALECT)


def recognise(node: Node, cluster: str | None, sans: str | None) -> Dialect:
    """Give the dialect of an entry: known by its node, else by the cluster's grammar, else by the certificate."""
    known = recognise_node(node)
    if known is not plain.DIALECT:
        return known
    for dialect in _MESHES:
        if cluster and dialect.cluster_name(cluster, node) is not None:
            return dialect
    return next((dialect for dialect in _MESHES if sans and dialect.knows_identity(sans)), known)


@lru_cache(maxsize=16_384)
def parse_cluster(name: str | None) -> ClusterName | None:
    """Read a cluster's name in whichever mesh's grammar it has; None for those of no mesh."""
    told = (dialect.cluster_name(name, ANONYMOUS) for dialect in _MESHES if name)
    return next((one for one in told if one is not None), None)


@lru_cache(maxsize=16_384)
def parse_route(name: str | None) -> ClusterName | None:
    """Read a route's name likewise: None for those that tell nothing of side or service."""
    told = (dialect.route_name(name) for dialect in _MESHES if name)
    return next((one for one in told if one is not None), None)
