"""Whose metric point it is, by Istio's labels: the workload whose proxy reported it, as a resource."""

from collections.abc import Collection, Mapping

import polars as pl

__all__ = ["metric_resource"]

_UNKNOWN = ("", "unknown")
# The resource attribute, and the labels that name it, best first.
_NAMES = {
    "service.name": ("canonical_service", "workload"),
    "service.namespace": ("workload_namespace",),
    "service.version": ("version", "canonical_revision"),
    "k8s.cluster.name": ("cluster",),
    "k8s.namespace.name": ("workload_namespace",),
}


def metric_resource(labels: Collection[str]) -> Mapping[str, pl.Expr]:
    """Give the resource's attributes over columns named like the labels; none where no label says who reported."""
    if "reporter" not in labels:
        return {}
    return {
        name: expression for name, wanted in _NAMES.items() if (expression := _of_reporter(wanted, labels)) is not None
    }


def _of_reporter(wanted: Collection[str], labels: Collection[str]) -> pl.Expr | None:
    ours = {
        side: [_known(f"{side}_{name}") for name in wanted if f"{side}_{name}" in labels]
        for side in ("source", "destination")
    }
    if not any(ours.values()):
        return None
    source, destination = (pl.coalesce([*ours[side], pl.lit(None, pl.String)]) for side in ours)
    return pl.when(pl.col("reporter") == "source").then(source).otherwise(destination)


def _known(label: str) -> pl.Expr:
    return pl.when(~pl.col(label).is_in(_UNKNOWN)).then(pl.col(label))
