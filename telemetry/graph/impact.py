"""Who must be told: callers of a service, direct and transitive, and what it depends on itself."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from telemetry.catalog import Service
from telemetry.graph.elements import shown
from telemetry.graph.graph import Graph
from telemetry.graph.structure import cycles, reached, single_points_of_failure

__all__ = ["Owners", "impact_of", "owner_of"]

Owners = Callable[[str | None, str], Service | None]
"""Finds a service of the catalog by namespace and name."""

_SHOWN = ("requests", "requests_per_s", "error_ratio", "connections_opened", "last_seen")


def impact_of(graph: Graph, node: int, owners: Owners) -> dict[str, Any]:
    """Say what stands and falls with a node of a rated graph.

    `callers` and `dependencies` are sorted by distance, then by traffic: requests are those that a caller itself sends
    toward the service (or that reach the dependency on the way), on edges that lead there.
    """
    names = _names(graph, owners)
    behind = single_points_of_failure(graph)
    circle = next((circle for circle in cycles(graph) if node in circle), [])
    return {
        **names[node],
        "callers": list(_related(graph, node, names, upstream=True)),
        "dependencies": list(_related(graph, node, names, upstream=False)),
        "cycle": [names[one]["id"] for one in circle],
        "single_points_of_failure": [names[one]["id"] for one in _outermost_first(behind) if node in behind[one]],
        "cuts_off": [names[one]["id"] for one in behind.get(node, ())],
    }


def _outermost_first(behind: Mapping[int, list[int]]) -> list[int]:
    return sorted(behind, key=lambda one: (-len(behind[one]), one))


def owner_of(service: Service | None) -> dict[str, Any]:
    """Show who owns a service and how to reach them."""
    contacts = service.contacts.model_dump(exclude_none=True) if service and service.contacts else {}
    return {"owner": service and service.owner, "contacts": contacts, "tier": service and service.tier}


def _names(graph: Graph, owners: Owners) -> list[dict[str, Any]]:
    rows = graph.nodes.select("id", "kind", "namespace", "name").iter_rows(named=True)
    return [{**row, **owner_of(owners(row["namespace"], row["name"]))} for row in rows]


def _related(graph: Graph, node: int, names: list[dict[str, Any]], *, upstream: bool) -> Iterator[Mapping[str, Any]]:
    distances = {node: 0, **reached(graph, node, upstream=upstream)}
    near, far = ("target", "source") if upstream else ("source", "target")
    away = graph.edges.with_columns(
        pl.col(end).replace_strict(distances, default=None, return_dtype=pl.Int64).alias(f"{end}_distance")
        for end in (near, far)
    )
    # An edge leads there when it comes closer; what goes round in circles does not.
    leading = away.filter(pl.col(f"{near}_distance") < pl.col(f"{far}_distance"))
    per_node = leading.group_by(far).agg(
        pl.col("requests").sum(),
        pl.col("requests_per_s").sum(),
        ((pl.col("error_ratio") * pl.col("requests")).sum() / pl.col("requests").sum()).alias("error_ratio"),
        pl.col("connections_opened").sum(),
        pl.col("last_seen").max(),
        pl.col(near).unique().sort().alias("via"),
        pl.col(f"{far}_distance").first().alias("distance"),
    )
    for row in shown(per_node.sort("distance", "requests", far, descending=[False, True, False])).iter_rows(named=True):
        via = [names[one]["id"] for one in row["via"]] if row["distance"] > 1 else []
        traffic = {name: row[name] for name in _SHOWN}
        yield {**names[row[far]], "distance": row["distance"], "direct": row["distance"] == 1, "via": via, **traffic}
