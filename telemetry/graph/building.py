"""Kept edges become a graph of services, workloads, apps or versions."""

from collections.abc import Collection
from urllib.parse import quote

import polars as pl

from telemetry.edges import Reader, Window
from telemetry.graph.graph import By, Graph
from telemetry.processors.edge_slots import OTHER

__all__ = ["build", "node_columns"]

_KEY = ("kind", "namespace", "name", "version", "cluster")
_TRAFFIC = ("requests", "connections_opened", "connections_closed", "request_bytes", "response_bytes")


def build(reader: Reader, window: Window, by: By, namespaces: Collection[str] = ()) -> Graph:
    """Build the graph of a window. `namespaces`: only edges with an end in one of them; none means all.

    Edges over which nothing went are left out.
    """
    window = reader.aligned(window)
    sums = reader.summed("sums", window)
    seen = sums.filter(pl.any_horizontal(pl.col(name) > 0 for name in _TRAFFIC))
    named = seen.join(reader.edges(), on="edge", how="left")
    ends = named.with_columns(pl.struct(node_columns(side, by)).alias(side) for side in ("source", "destination"))
    if namespaces:
        wanted = list(namespaces)
        inside = [pl.col(side).struct.field("namespace").is_in(wanted) for side in ("source", "destination")]
        ends = ends.filter(pl.any_horizontal(inside).fill_null(value=False))
    keys = pl.concat([ends[side] for side in ("source", "destination")]).struct.unnest() if len(ends) else _no_keys()
    nodes = keys.unique(maintain_order=True).with_row_index("number")
    numbered = _numbered(ends, nodes)
    edges = numbered.group_by("source", "target", "protocol", maintain_order=True).agg(
        pl.col(name for name in sums.columns if name != "edge").sum(),
        pl.col("edge").alias("members"),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )
    ids = pl.Series("id", [_id(*key) for key in nodes.select(_KEY).iter_rows()], dtype=pl.String)
    return Graph(by, window, nodes.drop("number").insert_column(0, ids), edges)


def node_columns(side: str, by: By) -> list[pl.Expr]:
    """Say who an end is: the columns kind, namespace, name, version and cluster."""
    workload = f"{side}.workload.name"
    name = pl.coalesce(pl.col(column).replace("", None) for column in _names(side, by))
    kind: pl.Expr = pl.when(name.is_not_null()).then(pl.lit(by.value)).otherwise(None)
    namespace = pl.col(f"{side}.workload.namespace")
    cluster = pl.lit(None, pl.String) if by is By.SERVICE else pl.col(f"{side}.cluster.id")
    version = pl.coalesce(pl.col(f"{side}.version").replace("", None), f"{side}.canonical.revision")
    if side == "destination":
        # Nobody answered, or nobody knows who did: what is known is the service that was asked for.
        service = pl.col("destination.service.name")
        kind = pl.coalesce(kind, pl.when(service.is_not_null()).then(pl.lit("service")))
        at_service = pl.col("destination.service.namespace")
        namespace = pl.coalesce(at_service, namespace) if by is By.SERVICE else pl.coalesce(namespace, at_service)
        name = pl.coalesce(name, service)
    other = pl.col(workload) == OTHER
    return [
        pl.when(other).then(pl.lit("other")).otherwise(kind).fill_null("unknown").alias("kind"),
        namespace.alias("namespace"),
        pl.when(other).then(pl.lit(OTHER)).otherwise(name).fill_null("unknown").alias("name"),
        (version if by is By.VERSION else pl.lit(None, pl.String)).alias("version"),
        cluster.alias("cluster"),
    ]


def _names(side: str, by: By) -> list[str]:
    """Give the columns that may name an end, the best first."""
    workload, service, app = (f"{side}.{name}" for name in ("workload.name", "canonical.service", "app"))
    if by is By.WORKLOAD:
        return [workload]
    if by is By.SERVICE:
        return (
            ["destination.service.name", service, app, workload] if side == "destination" else [service, app, workload]
        )
    return [app, service, workload]


def _no_keys() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(_KEY, pl.String))


def _numbered(ends: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    keys = nodes.select("number", node=pl.struct(_KEY))
    for side, end in (("source", "source"), ("destination", "target")):
        numbers = keys.rename({"number": f"{end}_number"})
        ends = ends.join(numbers, left_on=side, right_on="node", how="left", nulls_equal=True, maintain_order="left")
    return ends.drop("source", "destination").rename(
        {"source_number": "source", "target_number": "target", "context.protocol": "protocol"}
    )


def _id(kind: str, namespace: str | None, name: str, version: str | None, cluster: str | None) -> str:
    """Give a node's id: safe in any of the forms, and two nodes never have the same."""
    parts = [quote(part, safe="") for part in (namespace or "", name)]
    tail = f"@{quote(version, safe='')}" if version is not None else ""
    home = f"?cluster={quote(cluster, safe='')}" if cluster is not None else ""
    return f"{kind}:{'/'.join(parts)}{tail}{home}"
